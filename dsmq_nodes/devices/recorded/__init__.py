"""Recorded sensors, published at their recorded pace (`replayer`): `imu_csv`, `carmen_log`."""
