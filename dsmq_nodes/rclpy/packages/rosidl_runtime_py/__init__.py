"""ROS's rosidl_runtime_py: messages as dicts, YAML and CSV, and set from dicts."""

from dsmq_nodes.rclpy.packages.rosidl_runtime_py.convert import (
    get_message_slot_types,
    message_to_csv,
    message_to_ordereddict,
    message_to_yaml,
)
from dsmq_nodes.rclpy.packages.rosidl_runtime_py.import_message import (
    import_message_from_namespaced_type,
)
from dsmq_nodes.rclpy.packages.rosidl_runtime_py.set_message import set_message_fields

__all__ = [
    "get_message_slot_types",
    "import_message_from_namespaced_type",
    "message_to_csv",
    "message_to_ordereddict",
    "message_to_yaml",
    "set_message_fields",
]
