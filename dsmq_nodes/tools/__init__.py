"""A peer without types: sessions, calls, goals, live counters, the diagnosis of a graph.

The command line, bags and gateways use this package. It returns values and raises errors; it prints
nothing. `session.py` is the connection of a tool; everything else takes one as an argument.
"""
