"""Driving by hand, with a dead man's switch: `keyboard_teleop` in a terminal, `gamepad_teleop`."""
