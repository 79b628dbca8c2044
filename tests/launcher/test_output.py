"""Lines: whole, in order, each with its name."""

import asyncio
import io
import itertools
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.launcher.output.output import LaunchOutput, LineSplitter
from tests.support.waiting import PATIENCE_SEC

TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"\xc3\xa9"])).map(b"".join)


def split(*pieces: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()


@given(TEXT, st.lists(st.integers(0, 30)))
def test_lines_are_the_same_however_the_bytes_come(text: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert split(*pieces) == split(text)


def test_every_kind_of_line_end_ends_a_line() -> None:
    assert split(b"a\nb\r\n10%\r20%\r\n\nrest") == [b"a", b"b", b"10%", b"20%", b"", b"rest"]


def test_an_endless_line_comes_in_pieces() -> None:
    lines = split(*[b"x" * 50_000] * 3)
    assert b"".join(lines) == b"x" * 150_000
    assert max(map(len, lines)) <= 100_000


def test_a_line_keeps_its_colours_and_stays_under_its_name() -> None:
    plain = io.BytesIO()
    output = LaunchOutput(plain, plain, ["a"])
    output.lines(
        "a", ["\x1b[31mred\x1b[0m\x1b[2J\x1b[1A\x9b\u202e é🤖\x07".encode(), b"\xff\x1b]0;"]
    )
    output.print_line("from \x1b[2J elsewhere")
    assert plain.getvalue().decode("utf-8", "surrogateescape") == (
        "[a] \x1b[31mred\x1b[0m\\u001b[2J\\u001b[1A\\u009b\\u202e é🤖\\u0007\n"
        "[a] \udcff\\u001b]0;\n[launch] from \\u001b[2J elsewhere\n"
    )


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_names_are_coloured_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain, terminal = io.BytesIO(), Terminal()
    for stream in (plain, terminal):
        LaunchOutput(stream, plain, ["a", "b"]).lines("b", [b"x", b"\xff"])
    assert plain.getvalue() == b"[b] x\n[b] \xff\n"
    assert terminal.getvalue().startswith(b"\x1b[0;33m[b]\x1b[0m x\n\x1b[0;33m[b]")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            terminal = Terminal()
            LaunchOutput(terminal, plain, ["a", "b"]).lines("b", [b"x"])
        assert terminal.getvalue() == b"[b] x\n"


def test_what_the_launcher_says_has_its_name_on_every_line() -> None:
    out, own = io.BytesIO(), io.BytesIO()
    LaunchOutput(out, own, []).print_line("one\ntwo")
    assert (out.getvalue(), own.getvalue()) == (b"", b"[launch] one\n[launch] two\n")


def test_lines_wait_while_a_process_draws_on_the_terminal() -> None:
    terminal = Terminal()
    output = LaunchOutput(terminal, terminal, ["a"])
    output.lines("a", [b"before"])
    output.pause()
    shown = terminal.getvalue()
    output.lines("a", [b"during %d" % number for number in range(1200)])
    assert terminal.getvalue() == shown
    output.resume()
    told = terminal.getvalue()[len(shown) :]
    assert b"200 earlier lines are not shown" in told
    assert b"during 199\n" not in told
    assert told.index(b"during 200\n") < told.index(b"during 1199\n")
    output.lines("a", [b"after"])
    assert terminal.getvalue().endswith(b"after\n")


def test_nothing_waits_where_there_is_no_terminal() -> None:
    out = io.BytesIO()
    output = LaunchOutput(out, out, ["a"])
    output.pause()
    output.lines("a", [b"x"])
    output.resume()
    assert out.getvalue() == b"[a] x\n"


def read_all(fd: int, told: list[bytes]) -> threading.Thread:
    """Read a pipe to its end, in a thread."""

    def read() -> None:
        with os.fdopen(fd, "rb") as stream:
            told.extend(stream)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_reader_that_does_not_read_costs_the_oldest_lines_which_are_counted() -> None:
    read, written = os.pipe()
    with os.fdopen(written, "wb") as out:
        output = LaunchOutput(out, out, ["a"])
        for number in range(4000):  # far more than a pipe and the backlog hold
            output.lines("a", [b"%d %b" % (number, b"x" * 5000)])
        told: list[bytes] = []
        reader = read_all(read, told)
        asyncio.run(output.finish(PATIENCE_SEC))
        output.print_line("the end")
        asyncio.run(output.finish(PATIENCE_SEC))
    reader.join()
    (gap,) = [n for n, line in enumerate(told) if b"earlier lines are not shown" in line]
    lost = int(told[gap].split()[1])
    shown = [int(line.split()[1]) for line in told if line.startswith(b"[a]")]
    first = range(gap)
    assert shown == [*first, *range(gap + lost, 4000)]
    assert told[-1] == b"[launch] the end\n"


def test_who_reads_nothing_until_the_end_is_not_waited_for_and_the_lines_are_counted() -> None:
    read, written = os.pipe()
    own_read, own_written = os.pipe()
    with os.fdopen(written, "wb") as out, os.fdopen(own_written, "wb") as own:
        output = LaunchOutput(out, own, ["a"])
        for _ in range(50):
            output.lines("a", [b"x" * 5000])
        asyncio.run(output.finish(0.1))
        told = os.read(own_read, 1000)
        assert told.endswith(b" last lines are not shown: nobody reads them\n")
        # What the pipe has taken may still be read.
        assert 50 - (64 << 10) // 5000 <= int(told.split()[1]) <= 50
        os.close(read)
        asyncio.run(output.finish(PATIENCE_SEC))
    os.close(own_read)


def test_a_stream_that_takes_nothing_just_now_is_waited_for() -> None:
    read, written = os.pipe()
    os.set_blocking(written, False)
    with os.fdopen(written, "wb") as out:
        output = LaunchOutput(out, out, ["a"])
        for number in range(100):
            output.lines("a", [b"%d %b" % (number, b"x" * 5000)])
        told: list[bytes] = []
        reader = read_all(read, told)
        asyncio.run(output.finish(PATIENCE_SEC))
    reader.join()
    assert [int(line.split()[1]) for line in told] == list(range(100))


@pytest.mark.parametrize("errors", [1, 2])
def test_a_reader_that_goes_is_told_once_to_the_loop(errors: int) -> None:
    async def main() -> list[str]:
        found: list[str] = []
        ended = asyncio.Event()
        read, written = os.pipe()
        os.close(read)
        with os.fdopen(written, "wb") as out:
            output = LaunchOutput(out, out, ["a"])
            output.call_when_broken(ended.set, found.append)
            for _ in range(errors):
                output.lines("a", [b"x"])
            await asyncio.wait_for(ended.wait(), PATIENCE_SEC)
            await output.finish(PATIENCE_SEC)
        return found

    assert asyncio.run(main()) == []
