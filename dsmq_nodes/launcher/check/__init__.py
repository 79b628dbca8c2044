"""What can be known of a launch file without starting it."""
