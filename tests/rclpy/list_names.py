"""Prints the public names of all modules of rclpy that are found here: `module name`.

With a file of such lines: prints those of them that are absent.
"""

import importlib
import pkgutil
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path


def names() -> Iterator[str]:
    rclpy = importlib.import_module("rclpy")
    modules = (each.name for each in pkgutil.walk_packages(rclpy.__path__, "rclpy."))
    for module in ("rclpy", *modules):
        if not module.endswith(("__main__", "._dummy")):
            for name, value in vars(importlib.import_module(module)).items():
                if not name.startswith("_") and not isinstance(value, types.ModuleType):
                    yield f"{module} {name}"


def is_absent(line: str) -> bool:
    module, name = line.split()
    return not hasattr(importlib.import_module(module), name)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) > 1:
        asked = Path(sys.argv[1]).read_text().splitlines()
        found = [line for line in asked if is_absent(line)]
    else:
        found = list(names())
    sys.stdout.write("".join(f"{line}\n" for line in sorted(found)))
