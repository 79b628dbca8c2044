"""Checks a launch file without starting it: classes, parameters, types.

`examine.py` imports node classes in a process of its own and constructs them beside an empty
broker; `launch_check.py` compares what they publish, subscribe and take as parameters.
"""
