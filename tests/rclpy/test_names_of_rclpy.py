"""The names that the modules of rclpy have: those that ours lack are known."""

import sys
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.referee import referee
from tests.support.waiting import PATIENCE_SEC

SCRIPT = Path(__file__).parent / "list_names.py"
ABSENT = Path(__file__).parent / "absent_names.txt"
OURS = (sys.executable, "-W", "ignore", "-m", "dsmq_nodes.rclpy", "--quiet")
SOME = """\
rclpy qos_profile_rosout_default
rclpy.event_handler EventHandlerData
rclpy.executors List
rclpy.lifecycle.node LifecycleNodeArgs
rclpy.logging_service GetLoggerLevels
rclpy.node HIDDEN_NODE_PREFIX
rclpy.node Optional
rclpy.node nope
rclpy.parameter AllowableParameterValue
rclpy.type_support SendGoalServiceRequest
rclpy._rclpy_pybind11 RCLError
rclpy._rclpy_pybind11 nope
rclpy._rclpy_pybind11 rmw_matched_status_t
rclpy.validate_topic_name TOPIC_SEPARATOR_STRING
"""


def lines(*command: str) -> list[str]:
    done = processes.run(command, capture_output=True, text=True, timeout=PATIENCE_SEC, check=False)
    assert not done.returncode, done.stderr
    return str(done.stdout).splitlines()


@pytest.mark.usefixtures("broker")  # else the program starts one at the default port
def test_names_that_programs_import_from_wherever_they_find_them(tmp_path: Path) -> None:
    asked = tmp_path / "names.txt"
    asked.write_text(SOME)
    absent = lines(*OURS, str(SCRIPT), str(asked))
    assert absent == ["rclpy._rclpy_pybind11 nope", "rclpy.node nope"]


@pytest.mark.ros2
@pytest.mark.usefixtures("broker")
def test_what_is_absent_is_known(tmp_path: Path) -> None:
    real = lines(str(referee() / "bin" / "python"), "-W", "ignore", str(SCRIPT))
    assert len(real) > 1000
    asked = tmp_path / "names.txt"
    asked.write_text("".join(f"{line}\n" for line in real))
    assert lines(*OURS, str(SCRIPT), str(asked)) == ABSENT.read_text().splitlines()
