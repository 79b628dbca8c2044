"""Launch files nobody would write: `python -m tests.bench.fuzz_launch [SECONDS] [SEED]`.

Launch files, files they include and files of parameters are made up of keys and odd values, or are
real ones with some bytes changed, and go through `check`. Whatever is wrong with one is a problem
with file, line and column, and takes no more than `_MOST_SEC` and `_MOST_BYTES`; one that is right
becomes a plan. Anything else is a finding: it is printed with its files, and the status is 1.

Classes are looked at in another process in one case of `_REALLY`; else it is not started.
"""

import json
import os
import random
import resource
import tempfile
import time
import traceback
from pathlib import Path
from typing import Self

from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.launcher import load_plan
from dsmq_nodes.launcher.check import launch_check as checking
from dsmq_nodes.launcher.check.examination import Examiner
from dsmq_nodes.launcher.check.findings import NodeFinding, NodeRequest
from dsmq_nodes.launcher.file.arguments import parse
from dsmq_nodes.launcher.file.entries import (
    ArgEntry,
    BrokerEntry,
    DependencyEntry,
    GroupEntry,
    IncludeEntry,
    LaunchFile,
    LogEntry,
    NodeEntry,
    RestartEntry,
)
from tests.bench.fuzz import command_line

_MOST_SEC = 20.0
_MOST_BYTES = 2 << 30
_REALLY = 400
# What is wrong with the file as a whole, or with the command line, has no line.
_WITHOUT_LINE = ("argument", "the argument", "there is no argument", "cannot be read", "0 bytes")

_MODELS = (
    LaunchFile, NodeEntry, NodeEntry, GroupEntry, IncludeEntry, BrokerEntry, LogEntry, ArgEntry,
    RestartEntry, DependencyEntry,
)  # fmt: skip
_KEYS = sorted({field.alias or name for m in _MODELS for name, field in m.model_fields.items()})
_ODD: tuple[object, ...] = (
    "", "a", "b", "m:C", "json:JSONDecoder", "nowhere:Class", "a/b", "/", "~", "~/x", "topic:/x",
    "ready", "on-failure", "always", "both", "log", "inc.yaml", "main.yaml", "params.yaml", ".",
    "/dev/null", "/dev/zero", "no/such", "$(arg a)", "$(arg b)$(arg b)$(arg a)", "$(env HOME)",
    "$(env NO_SUCH x)", "$(dirname)", "$(index)", "$(", "$$(", "$(arg", "$()", "$(nosuch a)",
    "x" * 300, "x" * 20_000, "\0", "\n", "\ud800", "\u2028", "é", "🤖", "#", "- a", "{}", "'", '"',
    0, 1, 2, 3, -1, 7, 255, 999, 1000, 1001, 65535, 65536, 10**9, 2**63, 10**300, 10**4000, 0.1,
    -0.0, 1e-300, 1e308, float("inf"), float("nan"), True, False, None, [], {}, [[]], [{}],
)  # fmt: skip
_PIECES = (
    b"\t", b"\n", b"  ", b"- ", b": ", b"{", b"}", b"[" * 60, b"]", b"&a ", b"*a", b"!!str ",
    b"!!binary ", b"|\n", b">\n", b"'", b'"', b"#", b"---\n", b"...\n", b"? ", b"%", b"@",
    b"\xff", b"\x00", b"\xef\xbb\xbf", b"$(arg a)", b"$(", b"<<: ", b"1e999", b"0x", b"0o8",
    b".nan", b"\\UFFFFFFFF", b"\r", b"\x85",
    b"count: 1000, ", b"include: main.yaml, ", b"9" * 5000,
)  # fmt: skip


class _Blind:
    """Looks at no class."""

    def __init__(self, root: Path) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def examine(self, nodes: list[NodeRequest]) -> list[NodeFinding]:
        return [NodeFinding(index, unknown="not looked at") for index in range(len(nodes))]


class Maker:
    """Makes the files of a case."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        here = Path(__file__).parents[1]
        found = [*(here / "launcher" / "wrong").glob("*.yaml"), *(here.parent / "launch").glob("*")]
        self._real = sorted(path.read_bytes() for path in found if path.suffix == ".yaml")

    def files(self) -> dict[str, bytes]:
        """The files by their names; main.yaml is launched."""
        return {name: self._file(name) for name in ("main.yaml", "inc.yaml", "params.yaml")}

    def _file(self, name: str) -> bytes:
        rng = self._rng
        if rng.random() < 0.3:
            data = rng.choice(self._real)
        else:
            made = self._params() if name == "params.yaml" else self._launch()
            data = self._text(made).encode("utf-8", "surrogatepass")
        return self._mutated(data) if rng.random() < 0.5 else data

    def _text(self, made: object) -> str:
        # JSON is YAML; its escapes of half characters are what we want too.
        text = json.dumps(made, ensure_ascii=self._rng.random() < 0.5)
        if self._rng.random() < 0.5:  # without quotes, where that is possible
            text = text.replace('"$(', "$(").replace(')"', ")")
        return text.replace("Infinity", ".inf").replace("NaN", ".nan")

    def _mutated(self, data: bytes) -> bytes:
        rng, found = self._rng, bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(len(found) + 1)
            match rng.randrange(4):
                case 0 if at < len(found):
                    found[at] = rng.randrange(256)
                case 1:
                    del found[at : at + rng.randrange(1, 20)]
                case 2:
                    end = min(len(found), at + rng.randrange(1, 200))
                    found[at:at] = found[at:end] * rng.choice((1, 2, 50))
                case _:
                    found[at:at] = rng.choice(_PIECES)
        return bytes(found)

    def _launch(self) -> dict[str, object]:
        rng = self._rng
        made: dict[str, object] = {"nodes": [self._entry(0) for _ in range(rng.randrange(1, 5))]}
        if rng.random() < 0.5:
            made["args"] = self._args()
        for key in ("broker", "log", "env"):
            if rng.random() < 0.2:
                made[key] = self._part(4)
        return made

    def _args(self) -> dict[str, object]:
        rng = self._rng
        args: dict[str, object] = {"a": rng.choice(_ODD)}
        for name in "bcde"[: rng.randrange(5)]:
            before = rng.choice([*args])
            args[name] = rng.choice(
                (rng.choice(_ODD), f"$(arg {before})" * rng.choice((1, 10, 99)))
            )
        return args

    def _entry(self, level: int) -> dict[str, object]:
        rng = self._rng
        entry: dict[str, object] = {}
        kind = rng.randrange(4 if level < 5 else 2)
        if kind < 2:
            entry["name"] = rng.choice(("a", "b", "c", "n$(index)", rng.choice(_ODD)))
            entry["exec"] = rng.choice((["echo", "$(arg a)"], ["echo"], rng.choice(_ODD)))
            if kind:
                entry["node"] = rng.choice(("m:C", "json:JSONDecoder", rng.choice(_ODD)))
                del entry["exec"]
        elif kind == 2:
            entry["nodes"] = [self._entry(level + 1) for _ in range(rng.randrange(1, 4))]
        else:
            entry["include"] = rng.choice(("inc.yaml", "inc.yaml", "main.yaml", rng.choice(_ODD)))
        if rng.random() < 0.4:
            entry["count"] = rng.choice((2, 3, 50, 1000, "$(arg a)", rng.choice(_ODD)))
            entry["namespace"] = rng.choice(("r", "/r", rng.choice(_ODD)))
        if rng.random() < 0.2:
            entry["params_file"] = rng.choice(("params.yaml", ["params.yaml"], rng.choice(_ODD)))
        return entry | (self._part(3) if rng.random() < 0.5 else {})

    def _params(self) -> dict[str, object]:
        rng = self._rng
        name = rng.choice(("/**", "/a", "/*/a", "/**" * 9, "a", "/r*/*b*"))
        inner: dict[str, object] = {f"{rng.choice(_ODD)}": rng.choice(_ODD) for _ in range(3)}
        return inner if rng.random() < 0.3 else {name: {"ros__parameters": inner}}

    def _part(self, most: int) -> dict[str, object]:
        rng = self._rng
        return {rng.choice(_KEYS): self._value(2) for _ in range(rng.randrange(most))}

    def _value(self, level: int) -> object:
        rng = self._rng
        if level and rng.random() < 0.3:
            return {f"{rng.choice(_KEYS)}": self._value(level - 1) for _ in range(rng.randrange(3))}
        if level and rng.random() < 0.3:
            return [self._value(level - 1) for _ in range(rng.randrange(3))]
        return rng.choice(_ODD)


def look(path: Path, words: list[str], *, really: bool) -> str:
    """Check a launch file; what is not as it is to be, empty: nothing."""
    vars(checking)["Examiner"] = Examiner if really else _Blind
    began_sec = time.process_time()
    try:
        report = checking.check(path, parse(words))
        problems = [*report.errors, *report.warnings]
        if not report.errors:
            str(load_plan(path, parse(words)))
    except LaunchFileError as error:
        problems = list(error.problems)
        str(error)
    except CommandError:
        return ""  # it is told in a line
    for each in problems:
        whole = each.message.startswith(_WITHOUT_LINE) or "bytes are too many" in each.message
        if "\n" in each.message and "  " not in each.message:
            return f"more than a line: {each!r:.300}"
        if not whole and not (each.line and each.column):
            return f"no place: {each!r:.300}"
    took_sec = time.process_time() - began_sec
    return f"took {took_sec:.1f} s" if took_sec > _MOST_SEC else ""


def main(seconds: float, seed: int) -> int:
    """Try for so long; return the exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    rng = random.Random(seed)
    maker, cases, wrong, longest_sec = Maker(rng), 0, "", 0.0
    os.chdir(tempfile.mkdtemp())
    files: dict[str, bytes] = {}
    words: list[str] = []
    until_sec = time.monotonic() + seconds
    while time.monotonic() < until_sec and not wrong:
        files = maker.files()
        for name, data in files.items():
            Path(name).write_bytes(data)
        words = rng.choice(([], [], ["a:=5"], ["a:=x", "b:=7"], ["z:=1"]))
        began_sec = time.process_time()
        try:
            wrong = look(Path("main.yaml"), words, really=cases % _REALLY == 0)
        except BaseException as error:  # noqa: BLE001  that is what we look for
            if isinstance(error, KeyboardInterrupt):
                break
            wrong = traceback.format_exc()
        longest_sec = max(longest_sec, time.process_time() - began_sec)
        cases += 1
    if wrong:
        print(f"seed {seed}, case {cases - 1}, arguments {words}: {wrong}")
        for name, data in files.items():
            print(f"{name}: {data[:3000]!r}")
        return 1
    most_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{cases} cases in {seconds:g} s, seed {seed}: nothing found; "
        f"the longest took {longest_sec:.1f} s of CPU, all at most {most_mib:.0f} MiB"
    )
    return 0


if __name__ == "__main__":
    command_line(main)
