"""A launch while it runs: rates, the live table, commands from other terminals.

`observer.py` is a node inside the launcher that reads the graph and the statistics; `rates.py`
compares them with the declared rates; `view.py` draws; `control.py` carries out `node restart` and
`node stop`.
"""
