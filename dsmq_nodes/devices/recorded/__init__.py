"""Recorded sensors, published at their pace (`replayer`): `imu_csv`, `carmen_log`."""
