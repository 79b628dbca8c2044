"""A peer without types: sessions, calls, goals, live counters, the diagnosis of a graph.

The command line, bags and gateways stand on this package. It returns values and raises errors; it
prints nothing. `session.py` is what a tool holds; everything else is given one.
"""
