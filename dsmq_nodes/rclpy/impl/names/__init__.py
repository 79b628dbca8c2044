"""Names in ROS 2: their rules, and what the words of a command line make of them."""
