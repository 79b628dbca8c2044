"""ROS's rosidl_runtime_py: messages as dicts, YAML and CSV, and set from dicts."""

from dsmq_nodes.rclpy.packages.rosidl_runtime_py.convert import (
    get_message_slot_types,
    message_to_csv,
    message_to_ordereddict,
    message_to_yaml,
)
from dsmq_nodes.rclpy.packages.rosidl_runtime_py.get_interfaces import (
    get_action_interfaces,
    get_interface_packages,
    get_interface_path,
    get_interfaces,
    get_message_interfaces,
    get_service_interfaces,
)
from dsmq_nodes.rclpy.packages.rosidl_runtime_py.import_message import (
    import_message_from_namespaced_type,
)
from dsmq_nodes.rclpy.packages.rosidl_runtime_py.set_message import set_message_fields
