"""ROS's launch files as plans of this kit's launcher: Python, XML and YAML.

A file becomes actions (`actions.py`), each with the place where it was made; `ros_plan.py` visits
them, and what they start becomes processes of a plan. Unknown names are reported, with their lines.
"""
