"""Writes, reads and repairs the kit's own bags, which are MCAP files.

`writing.py` and `reading.py` are the public writer and reader; `mcap_writer.py`,
`record_writer.py` and `mcap_reader.py` implement the format; `repair.py` makes a complete file from
one that was cut short.
"""
