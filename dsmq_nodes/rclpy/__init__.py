"""rclpy's words on the public names of `dsmq_nodes`: programs written for rclpy run unchanged."""
