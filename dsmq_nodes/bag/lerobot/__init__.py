"""Bags as LeRobot datasets (LeRobotDataset v3.0), with pyarrow and av, without torch."""
