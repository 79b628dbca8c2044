"""rosbridge v2: browser and Python programs (roslib.js, roslibpy) as clients of a graph.

Nothing here does I/O: the web gateway moves the frames. `rosbridge_client.py` is one client and
maps the operations; the specification is ROSBRIDGE_PROTOCOL.md of rosbridge_suite.
"""
