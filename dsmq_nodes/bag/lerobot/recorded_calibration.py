"""The calibration of the arm in a bag: a file given by the user, or one attached to the bag.

`bag record --attach arm.json` attaches it. The recorded parameters of the nodes show whether the
arm had one.
"""

from pathlib import Path
from typing import Final

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.lerobot.features import Calibrations
from dsmq_nodes.devices.servo_bus.calibration import parsed_calibration, read_calibration
from dsmq_nodes.errors import BagError, CalibrationError

_WHOLE_TURN: Final = (
    "no calibration is given or attached: 0 to 100 of a gripper is a whole turn "
    "(--calibration arm.json)"
)


def calibrations_for(source: BagSource, given: Path | None) -> tuple[Calibrations, str]:
    """Return the calibration of each joint, and a remark about it.

    Raises:
        BagError: the given file is no calibration.
    """
    if given is not None:
        try:
            return read_calibration(str(given)), ""
        except CalibrationError as error:
            raise BagError(f"--calibration {error}") from None
    for each in source.attachments():
        if not each.name.endswith(".json"):
            continue
        try:
            return parsed_calibration(each.data, each.name), f"calibration: {each.name} of the bag"
        except CalibrationError:
            continue  # the attachment is another file
    return {}, _WHOLE_TURN
