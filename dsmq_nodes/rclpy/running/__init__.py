"""Runs a program for rclpy: finds it, provides its imports, starts a broker where there is none.

`import_finder` provides `rclpy`, message packages and what stands for other packages of ROS, in
this process and in the Python processes that it starts; nothing is installed under these names.
`interface_modules` makes the modules of messages, and `alias_module` loads ours under other names.
"""
