"""ROS's rosidl_parser, as far as programs see it in messages: the types in `SLOT_TYPES`."""
