"""Waiting in tests: for a condition, with a deadline that a working machine never reaches."""

import os
import time
from collections.abc import Callable
from typing import Final

PATIENCE_SEC: Final = 90.0 * float(os.environ.get("DSMQ_TESTS_PATIENCE", "1"))
"""The longest that anything may take on a busy machine; DSMQ_TESTS_PATIENCE=2 makes it 180 s."""


def until(condition: Callable[[], object], what: str = "", every_sec: float = 0.005) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: it does not hold within `PATIENCE_SEC`.
    """
    deadline = time.monotonic() + PATIENCE_SEC
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SEC:g} s in vain for {what}"
        time.sleep(every_sec)
