"""The options of a dataset. Imports no library, so that the command line can use it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_VECTOR_SEC: Final = 0.1
_PICTURE_SEC: Final = 0.15


@dataclass(frozen=True, slots=True)
class LerobotOptions:
    """The options of a dataset.

    Attributes:
        fps: frames per second.
        task: the task of episodes without one; empty for the name of the bag.
        features: as `observation.state=/joint_states`; empty to find them by the topics' types.
        max_age_sec: the greatest age of a message at a frame; 0 for 0.1 s, pictures 0.15 s.
        calibration: LeRobot's file, for the range of the gripper; None for the one in the bag.
    """

    fps: int = 30
    task: str = ""
    features: list[str] = field(default_factory=list)
    max_age_sec: float = 0.0
    calibration: Path | None = None

    def max_age_of(self, *, is_picture: bool) -> float:
        """Return the age limit of a topic's messages, in seconds."""
        return self.max_age_sec or (_PICTURE_SEC if is_picture else _VECTOR_SEC)
