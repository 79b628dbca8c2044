"""ROS's launch files as plans of this kit's launcher: Python, XML and YAML.

A file becomes actions (`actions.py`), each with the line that made it; `ros_plan.py` visits them,
and the programs that they start become processes of a plan. Unknown names are reported, with their
lines.
"""
