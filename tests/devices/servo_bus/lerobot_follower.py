"""LeRobot's own `SO101Follower` drives a bus; run by an interpreter that has LeRobot.

python lerobot_follower.py PORT CALIBRATION.json
"""

import json
import sys
import time
from pathlib import Path

from lerobot.robots.so_follower import SO101Follower, SO101FollowerConfig

port, calibration = sys.argv[1], Path(sys.argv[2])
robot = SO101Follower(
    SO101FollowerConfig(port=port, id=calibration.stem, calibration_dir=calibration.parent)
)
robot.connect(calibrate=False)
told = {"is_calibrated": robot.is_calibrated, "begin": robot.get_observation()}
robot.send_action(dict.fromkeys(told["begin"], 10.0))
time.sleep(0.5)
told["end"] = robot.get_observation()
robot.disconnect()
print(json.dumps(told))  # noqa: T201
