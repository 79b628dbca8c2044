"""Our bags, which are MCAP files: written, read and repaired.

`writing.py` and `reading.py` are the public writer and reader; `mcap_writer.py`,
`record_writer.py` and `mcap_reader.py` know the format; `repair.py` makes a whole file of one that
was cut short.
"""
