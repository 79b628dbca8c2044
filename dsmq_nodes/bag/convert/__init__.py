"""Bags of other kinds: ROS 1 and ROS 2 bags, Foxglove's schemas, CSV, Parquet, numpy."""
