"""The statistics of a feature, under LeRobot's names; exact, LeRobot's come from a histogram."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_QUANTILES: Final = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
_LEVELS: Final = 256
_MOST_SIDE: Final = 150  # the most pixels of a side that are counted
_MOST_PICTURES: Final = 100  # for each episode

Statistics = dict[str, Any]


def of_rows(values: NDArray[Any]) -> Statistics:
    """Return the statistics of the rows of a vector, or of a column, as lists of numbers."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    found = {
        "min": rows.min(0),
        "max": rows.max(0),
        "mean": rows.mean(0),
        "std": rows.std(0),
        **{name: np.quantile(rows, part, axis=0) for name, part in _QUANTILES.items()},
    }
    return {name: each.tolist() for name, each in found.items()} | {"count": [len(rows)]}


def counted_frames(frames: int) -> frozenset[int]:
    """Return the frames of an episode to count: at most 100, evenly spaced."""
    chosen = np.linspace(0, frames - 1, min(frames, _MOST_PICTURES))
    return frozenset(chosen.round().astype(int).tolist())


class PictureLevels:
    """Histograms of the 256 levels of red, green and blue in some pictures.

    Attributes:
        counts: the counts, of shape (3, 256).
        pictures: the number of counted pictures.
    """

    def __init__(self) -> None:
        """Begin without pictures."""
        self.counts = np.zeros((3, _LEVELS), np.int64)
        self.pictures = 0

    def add(self, rgb: NDArray[np.uint8]) -> None:
        """Count a picture of shape (height, width, 3); a large one is subsampled."""
        step = max(1, max(rgb.shape[:2]) // _MOST_SIDE)
        thin = rgb[::step, ::step].reshape(-1, 3)
        for color in range(3):
            self.counts[color] += np.bincount(thin[:, color], minlength=_LEVELS)
        self.pictures += 1

    def join(self, other: "PictureLevels") -> None:
        """Add the counts of another."""
        self.counts += other.counts
        self.pictures += other.pictures

    def statistics(self) -> Statistics:
        """Return the statistics of the levels as 0 to 1, in the shape (3, 1, 1)."""
        levels = np.arange(_LEVELS) / (_LEVELS - 1)
        below = self.counts.cumsum(1)
        total = below[:, -1]
        mean = self.counts @ levels / total
        variance = self.counts @ levels**2 / total - mean**2
        present = [np.flatnonzero(each) for each in self.counts]
        found = {
            "min": np.array([levels[each[0]] for each in present]),
            "max": np.array([levels[each[-1]] for each in present]),
            "mean": mean,
            "std": np.sqrt(np.maximum(variance, 0)),
        }
        for name, part in _QUANTILES.items():
            at = [np.searchsorted(row, part * row[-1]) for row in below]
            found[name] = levels[at]
        shaped = {name: each.reshape(3, 1, 1).tolist() for name, each in found.items()}
        return shaped | {"count": [self.pictures]}
