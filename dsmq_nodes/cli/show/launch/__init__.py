"""What `launch` and `check` do with a launch file."""
