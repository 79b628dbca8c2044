"""rosbridge v2: ROS programs in a browser or in Python (roslib.js, roslibpy) as clients of a graph.

Everything here is sans-I/O: the web gateway moves the frames. `rosbridge_client.py` is one client
and names the operations; the specification is ROSBRIDGE_PROTOCOL.md of rosbridge_suite.
"""
