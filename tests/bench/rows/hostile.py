"""A row about strangers that mean no good: what they cost the others, how soon they are gone."""

import contextlib
import socket
import threading
import time
from contextlib import ExitStack
from typing import Final

from tests.bench.harness.processes import Broker, OriginalServer, Server
from tests.bench.harness.row import Row, Scale
from tests.bench.rows.hardship import Others
from tests.dsmq.hostile import HOSTILE

_MOST_MS: Final = 100.0
_MOST_MIB: Final = 20e6 / 2**20
_ALLOWED_RATIO: Final = 2.0


def hostile(scale: Scale) -> Row:
    """Bad frames of every kind, one connection after the other; then many that never finish one."""
    row = Row(
        f"{scale.strangers} hostile connections, and as many that send 1 B/s",
        "each closed <= 100 ms, < 20 MB; others' p99 <= 2 x",
    )
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        others = Others(stack, broker, 300)
        before_us = others.p99_us(scale.compared_sec)
        rss_kib = broker.rss_kib
        took_ms = sorted(_closed_after_ms(broker, number) for number in range(scale.strangers))
        slow = stack.enter_context(_Slow(broker, scale.strangers))
        during_us = others.p99_us(scale.slow_sec)
        grown_mib = (broker.rss_kib - rss_kib) / 1024
        left = slow.left()
        after_us = others.p99_us(scale.compared_sec)
        others.end(row)
    # A noisy machine is not ours to answer for: the worse of before and after is what it gives.
    ratio = during_us / max(before_us, after_us)
    median_ms, longest_ms = took_ms[len(took_ms) // 2], took_ms[-1]
    row.met = longest_ms <= _MOST_MS and grown_mib < _MOST_MIB and ratio <= _ALLOWED_RATIO
    row.measured = (
        f"closed after {median_ms:.2f} ms (longest {longest_ms:.1f}), {grown_mib:+.1f} MiB; slow "
        f"ones: {left} left after {scale.slow_sec:g} s, p99 {before_us:.0f} -> {during_us:.0f} "
        f"-> {after_us:.0f} us: {ratio:.2f} x"
    )
    if scale.original:
        row.original = _original()
    return row


def _closed_after_ms(server: Server, number: int, patience_sec: float = 10.0) -> float:
    words = [*HOSTILE.values()][number % len(HOSTILE)]
    with socket.create_connection(("127.0.0.1", server.port), patience_sec) as sock:
        began = time.perf_counter()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            sock.sendall(words)
            while sock.recv(4096):
                pass
        return (time.perf_counter() - began) * 1000


def _original() -> str:
    with OriginalServer() as server:
        try:
            return f"closed after {_closed_after_ms(server, 0, 2.0):.1f} ms"
        except TimeoutError:
            return "not closed: its client hangs"


class _Slow:
    """Connections that send a frame one byte a second."""

    def __init__(self, server: Server, count: int) -> None:
        self._sockets = [
            socket.create_connection(("127.0.0.1", server.port), 10.0) for _ in range(count)
        ]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def _drip(self) -> None:
        pause_sec = 1.0 / len(self._sockets)  # they are not all one
        for byte in b'{"msg_length": 1000015}{"message": ""}':
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.send(bytes([byte]))
                if self._ended.wait(pause_sec):
                    return

    def left(self) -> int:
        """How many the broker has not yet ended."""
        found = 0
        for sock in self._sockets:
            sock.setblocking(False)
            try:
                sock.recv(1)
            except BlockingIOError:
                found += 1
            except OSError:
                continue
        return found

    def __enter__(self) -> "_Slow":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()
