"""The schema of a message type, and messages with a known schema but without a class.

`definition.py` writes ROS 2's `.msg` text, `json_schema.py` the JSON Schema that travels with a
topic; `dynamic.py` checks and prints messages by such a schema; `find.py` finds a class by its ROS
name. `interface_text.py` reads `.msg`, `.srv` and `.action` texts, `ros_packages.py` finds the
packages with these files, `from_definition.py` and `python_source.py` make classes from them.
"""
