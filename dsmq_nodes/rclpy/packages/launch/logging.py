"""The loggers of launch files: they print while the file is read."""

import logging
import sys

__all__ = ["get_logger"]


def get_logger(name: str | None = None) -> logging.Logger:
    """Return a logger of Python that prints from INFO on; without a name, that of launch."""
    logger = logging.getLogger(name or "launch")
    if not logger.handlers:
        logger.setLevel(logging.INFO)
        logger.propagate = False
        printed = logging.StreamHandler(sys.stdout)
        printed.setFormatter(logging.Formatter("[%(levelname)s] [%(name)s]: %(message)s"))
        logger.addHandler(printed)
    return logger
