"""Plays a bag, with keys and a progress bar if there is a terminal."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.play.player import Player
from dsmq_nodes.bag.play.playing import Playing
from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.watch.keys import read_keys, single_keys
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import is_emergency_stop

_ANSWER_SEC: Final = 10.0
_FASTER: Final = 1.1
_MOST_NAMED: Final = 6
_LONGEST_WAIT_SEC: Final = 0.2  # then the progress bar is updated
_ARROWS: Final = {b"\x1b[C": "step", b"\x1b[A": "faster", b"\x1b[B": "slower"}
_KEYS: Final = {b" ": "pause", b"s": "step", b"q": "end", b"+": "faster", b"-": "slower"}


def play_bag(paths: list[Path], chosen: Selection, playing: Playing, broker: str) -> BagSource:
    """Play a bag to its end, or to Ctrl-C; return the bag, whose `omitted` lists the rest."""
    bag = open_source(paths, chosen)
    _check_renamings(bag, playing)
    with Session(broker, timeout_sec=_ANSWER_SEC) as session, _keyboard() as has_keys:
        screen = _Screen(session, has_keys=has_keys)
        player = Player(bag, session, playing, screen.wait, report=_print)
        _print_skipped(player)
        seconds = 0.0 if playing.loop else (player.end_ns - player.start_ns) * 1e-9
        try:
            with Progress("playing", seconds, "s") as progress:
                screen.show(player, progress)
                player.play()
        except SystemExit:  # Ctrl-C
            print(f"Played {player.messages} messages")
            raise
    print(f"Played {player.messages} messages")
    return bag


def _check_renamings(bag: BagSource, playing: Playing) -> None:
    for old in playing.remap:
        if old not in bag.topics:
            raise CommandError(f"--remap: the bag has no {old}: it has {', '.join(bag.topics)}")
    types: dict[str, set[str]] = {}
    for topic, type_name in bag.topics.items():
        types.setdefault(playing.remap.get(topic, topic), set()).add(type_name)
    for topic, used in types.items():
        if len(used) > 1:
            names = " and ".join(sorted(used))
            raise CommandError(f"--remap: {topic} would have the types {names}")


def _print_skipped(player: Player) -> None:
    if stops := sorted(filter(is_emergency_stop, player.skipped)):
        _print(
            f"Not played: {sum(map(player.skipped.pop, stops))} messages of {', '.join(stops)}, "
            f"which might release a stop pressed now: --remap {stops[0]}:={stops[0]} plays them"
        )
    if player.skipped:
        names = sorted(player.skipped)
        shown = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        _print(
            f"Not played: {player.skipped.total()} messages of services, actions and the kit "
            f"({shown}): --publish-service-requests calls the services again"
        )


def _print(text: str) -> None:
    print(one_line(text), file=sys.stderr, flush=True)


class _Screen:
    """Waits, and meanwhile obeys keys and moves the progress bar."""

    def __init__(self, session: Session, *, has_keys: bool) -> None:
        self._session = session
        self._inputs = [session.fileno(), *([sys.stdin.fileno()] if has_keys else [])]

    def show(self, player: Player, progress: Progress) -> None:
        """Show this player from now on."""
        self._player, self._progress = player, progress

    def wait(self, seconds: float) -> None:
        """Wait `seconds`, or less."""
        player = self._player
        note = "paused" if player.pace.is_paused else f"at {player.pace.rate:.3g} x"
        self._progress.at((player.at_ns - player.start_ns) * 1e-9, f"{note} ")
        timeout_sec = min(seconds, _LONGEST_WAIT_SEC)
        readable = descriptors.ready(self._inputs, timeout_sec=max(timeout_sec, 0.0))
        if self._inputs[0] in readable:
            self._session.pump(0.0)
        if readable - {self._inputs[0]}:
            if keys := read_keys(sys.stdin.fileno()):
                self._apply_keys(keys)
            else:
                self._end_with_the_terminal()

    def _end_with_the_terminal(self) -> None:
        """Stop, since the terminal is gone: without a session of our own no signal reports that."""
        del self._inputs[1:]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._player.stop()

    def _apply_keys(self, keys: bytes) -> None:
        pace = self._player.pace
        for command in _commands(keys):
            match command:
                case "pause" if pace.is_paused:
                    pace.resume()
                case "pause":
                    pace.pause()
                case "step":
                    pace.step()
                case "faster":
                    pace.change_rate(_FASTER)
                case "slower":
                    pace.change_rate(1 / _FASTER)
                case _:
                    self._player.stop()


def _commands(keys: bytes) -> Iterator[str]:
    while keys:
        arrow = _ARROWS.get(keys[:3])
        command = arrow or _KEYS.get(keys[:1])
        keys = keys[3 if arrow else 1 :]
        if command:
            yield command


@contextlib.contextmanager
def _keyboard() -> Iterator[bool]:
    """Deliver each key at once, without echo, if there is a terminal; yield whether there is."""
    if not sys.stdin.isatty():
        yield False
        return
    with single_keys(sys.stdin.fileno()):
        yield True
