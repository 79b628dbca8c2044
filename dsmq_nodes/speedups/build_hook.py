"""Compiles this folder when the package is built: a hook of hatchling, named in `pyproject.toml`.

It also adds the pages of the guide, which `dsmq-nodes docs` shows, to a wheel, and the byte code,
which pip compiles for every other installation, to an editable one: the service of a robot often
may not write it beside the sources, and would compile a hundred modules at each start (150 ms).

Every `*.cpp` here goes into one module, `_speedups`. If it cannot be compiled, one line says why,
and the package is built without it: the behaviour is the same, in Python alone. `DSMQ_NODES_PURE=1`
builds it without the module on purpose. `CXX` and `CXXFLAGS` are used as by other build tools.
`python -m dsmq_nodes.speedups.build_hook` compiles the sources again, in place, after a change.
"""

import compileall
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_GUIDE: Final = Path(".github/guide")
_FOLDER: Final = Path("dsmq_nodes/speedups")
_NAME: Final = "_speedups" + str(sysconfig.get_config_var("EXT_SUFFIX"))
_FLAGS: Final = (
    *("-std=c++17", "-O3", "-DNDEBUG", "-fPIC", "-shared", "-fvisibility=hidden"),
    *("-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Wno-missing-field-initializers"),
)


class CannotCompileError(Exception):
    """There is no compiler or no Python.h, or they do not support what the sources need."""


class BuildHook(BuildHookInterface[Any]):
    """Adds the guide and the compiled part; for an editable install that is built in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and give the wheel this platform's tag; without a compiler change nothing."""
        folder = Path(self.root) / _FOLDER
        if version != "editable":
            pages = (Path(self.root) / _GUIDE).glob("*.md")
            build_data["force_include"] |= {
                str(each): f"dsmq_nodes/guide/{each.name}" for each in pages
            }
        try:
            if version == "editable":
                compileall.compile_dir(folder.parent, quiet=2)
                build_in_place(folder)
                return
            built = _compiled(folder)
        except CannotCompileError as error:
            self.app.display_warning(f"dsmq-nodes is built in pure Python: {error}")
            return
        self._temporary = built.parent
        build_data["force_include"][str(built)] = str(_FOLDER / built.name)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the compiled module, which is in the wheel now."""
        if temporary := getattr(self, "_temporary", None):
            shutil.rmtree(temporary, ignore_errors=True)


def build_in_place(folder: Path) -> None:
    """Compile the sources of a folder into it; an earlier module there is removed in any case.

    Raises:
        CannotCompileError: the text says why.
    """
    try:
        built = _compiled(folder)
    except BaseException:
        (folder / _NAME).unlink(missing_ok=True)
        raise
    # Renamed in one step, for a process that starts meanwhile.
    shutil.copy(built, folder / f"{_NAME}.new")
    (folder / f"{_NAME}.new").replace(folder / _NAME)
    shutil.rmtree(built.parent, ignore_errors=True)


def _compiled(folder: Path) -> Path:
    """Return the compiled module, in a new folder.

    Raises:
        CannotCompileError: the text says why.
    """
    _check_interpreter()
    target = Path(tempfile.mkdtemp(prefix="dsmq_nodes-")) / _NAME
    include = f"-I{sysconfig.get_path('include')}"
    command = [*_compiler(), *_FLAGS, include, *map(str, sorted(folder.glob("*.cpp")))]
    command += [*shlex.split(os.environ.get("CXXFLAGS", "")), "-o", str(target)]
    if sys.maxsize < 1 << 32:  # ARMv6, as of Raspberry Pi OS, has no atomic access to 64 bits
        command.append("-Wl,--as-needed,-latomic")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(target.parent, ignore_errors=True)
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise CannotCompileError(f"{command[0]}: {(errors or ['failed'])[0]}")
    return target


def _check_interpreter() -> None:
    if os.environ.get("DSMQ_NODES_PURE", "") not in {"", "0"}:
        raise CannotCompileError("DSMQ_NODES_PURE is set")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CannotCompileError("the compiled part is for CPython with its global lock")


def _compiler() -> list[str]:
    """Return a compiler's command: of `CXX`, of Python's build, or one of the usual names."""
    for each in (os.environ.get("CXX"), sysconfig.get_config_var("CXX"), "c++", "g++", "clang++"):
        words = shlex.split(str(each or ""))
        if words and shutil.which(words[0]):
            return words
    raise CannotCompileError("there is no C++ compiler (Debian: apt install g++ python3-dev)")


if __name__ == "__main__":
    try:
        build_in_place(Path(__file__).parent)
    except CannotCompileError as error:
        sys.exit(str(error))
