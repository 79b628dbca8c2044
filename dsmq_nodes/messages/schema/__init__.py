"""The schema of a message type, and messages of which only the schema is known.

`definition.py` writes ROS 2's `.msg` text, `json_schema.py` the JSON Schema that travels with a
topic; `dynamic.py` checks and prints messages by such a schema; `find.py` finds a class by its ROS
name.
"""
