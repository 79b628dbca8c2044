"""What rclpy's modules stand on here: errors of the C side, names, arguments, the kit's nodes."""
