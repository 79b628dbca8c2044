"""What a dataset is to be like. Needs no library, so that the command line knows it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_VECTOR_SEC: Final = 0.1
_PICTURE_SEC: Final = 0.15


@dataclass(frozen=True, slots=True)
class LerobotOptions:
    """What a dataset is to be like.

    Attributes:
        fps: frames a second.
        task: of episodes without one; empty: the name of the bag.
        features: as `observation.state=/joint_states`; empty: found by the types of the topics.
        max_age_sec: how old a message may be at a frame; 0: 0.1, pictures 0.15.
        calibration: LeRobot's file, for the range of the gripper; None: the one in the bag.
    """

    fps: int = 30
    task: str = ""
    features: list[str] = field(default_factory=list)
    max_age_sec: float = 0.0
    calibration: Path | None = None

    def max_age_of(self, *, is_picture: bool) -> float:
        """The limit of age for a topic, in seconds."""
        return self.max_age_sec or (_PICTURE_SEC if is_picture else _VECTOR_SEC)
