"""A node's parameters: the model, the values, their services and their files.

`model.py` has `Parameters`, a pydantic model. `parameter_store.py` holds declared and modelled
values, and makes each change completely or not at all. `node_services.py` offers them under the
names of rcl_interfaces. `parameter_files.py` reads and writes ROS 2's YAML.
"""
