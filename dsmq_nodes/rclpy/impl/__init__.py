"""The base of rclpy's modules: errors of the C side, names, arguments, the kit's nodes."""
