"""Bags as datasets for LeRobot (LeRobotDataset v3.0), with pyarrow and av, without torch."""
