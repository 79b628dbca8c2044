"""ROS's rosidl_parser, as far as messages show it: the types in `SLOT_TYPES`."""
