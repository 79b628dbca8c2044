"""Runs a program as a Python interpreter would that was started for it: `-m MODULE` or FILE."""

import logging
import os
import runpy
import sys
import time
from collections.abc import Sequence
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType

from typing_extensions import override

from dsmq_nodes.launcher.warm.suitable import CHILD


def can_run(argv: Sequence[str]) -> bool:
    """Whether the modules imported so far make no difference to the program."""
    for place in [each for each, finder in sys.path_importer_cache.items() if finder is None]:
        del sys.path_importer_cache[place]  # a directory that did not exist, and may exist now
    if argv[1] == "-m":
        places = [os.getcwd(), *([argv[4]] if tuple(argv[1:4]) == CHILD else [])]  # noqa: PTH109
        return argv[2] not in sys.modules and not any(map(hiding_file, places))
    script = Path(argv[1])
    return script.is_file() and not hiding_file(str(script.resolve().parent))


def hiding_file(place: str) -> str:
    """Return a module's file of a directory that has the name of another one imported already.

    Programs import the directory's module instead of that one. Empty if there is none.
    """
    try:
        names = {entry.partition(".")[0] for entry in os.listdir(place or ".")}  # noqa: PTH208
    except OSError:
        return ""
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if not file:  # not imported, or built in
            continue
        found = PathFinder.find_spec(name, [place])
        if found and found.loader and found.origin and not _is_same(found.origin, file):
            return found.origin
    return ""


def _is_same(one: str, other: str) -> bool:
    return one == other or Path(one).samefile(other)


def run(argv: list[str]) -> None:
    """Run a program; its exceptions pass, and are shown without the frames of this package."""
    forked = sys.modules["__main__"]
    main = ModuleType("__main__")
    for name in vars(forked).keys() & {"__annotations__", "__builtins__"}:
        setattr(main, name, {} if name == "__annotations__" else vars(forked)[name])
    sys.modules["__main__"] = main
    sys.executable, sys.orig_argv = argv[0], argv
    logging._startTime = (  # type: ignore[attr-defined]  # noqa: SLF001
        time.time_ns() if sys.version_info >= (3, 13) else time.time_ns() / 1e9
    )
    try:
        if argv[1] == "-m":
            _run_module(argv[2], argv[3:])
        else:
            _run_file(argv[1], argv[2:], main)
    except BaseException as error:
        _show_without_us(_without_our_frames(error.__traceback__))
        raise


def _run_module(name: str, arguments: list[str]) -> None:
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()  # noqa: PTH109  sys.path holds texts
    sys.argv = ["-m", *arguments]
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]  # noqa: SLF001


def _run_file(file: str, arguments: list[str], main: ModuleType) -> None:
    path = Path(file)
    if not sys.flags.safe_path:
        sys.path[0] = str(path.resolve().parent)
    sys.argv = [file, *arguments]
    whole = str(Path.cwd() / path)
    main.__file__, main.__loader__ = whole, SourceFileLoader("__main__", whole)
    if sys.version_info < (3, 15):
        vars(main)["__cached__"] = None
    _Script("__main__", whole).exec_module(main)


class _Script(SourceFileLoader):
    """Runs a file without keeping its bytecode, as an interpreter does."""

    @override
    def set_data(self, path: str, data: object, *, _mode: int = 0) -> None:
        pass


def _without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the program's own first frame on."""
    package = str(Path(__file__).parent)
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((package, "<frozen importlib")):
            break
        trace = trace.tb_next
    return trace


def _show_without_us(trace: TracebackType | None) -> None:
    hook = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, _whole: TracebackType | None) -> None:
        hook(kind, error.with_traceback(trace), trace)

    sys.excepthook = show
