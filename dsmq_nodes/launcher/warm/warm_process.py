"""The guard's end of the warm process: it sends orders, and each makes a child of the guard.

An order is one byte on a control socket, with its descriptors: the order's channel, its request
(JSON in memory), standard output, standard error, and the ends that the process keeps. The forked
process writes its pid to its channel when everything except the program is ready, and begins when
the guard has answered. If a channel closes before that, nothing begins: the guard starts an
interpreter instead. So any process may be killed at any moment.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from dsmq_nodes.launcher.warm.order import Order

_PROGRAM: Final = "dsmq_nodes.launcher.warm.forking"
_PID_BYTES: Final = 32


class WarmProcess:
    """Lets processes be forked; makes the warm process, and another one when that is gone."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        env: dict[str, str],
        prepare: Callable[[], None],
        born: Callable[[Order, int], None],
        refused: Callable[[Order], None],
    ) -> None:
        """Use a selector of the guard.

        Args:
            selector: calls a key's data when there is something to read.
            env: the environment of the warm process.
            prepare: called in the warm process before its program begins.
            born: called with an order and the pid of its process, which then begins.
            refused: called with an order that was not executed.
        """
        self._selector = selector
        self._env = env
        self._prepare = prepare
        self._born = born
        self._refused = refused
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._channels: dict[socket.socket, Order] = {}
        self._was_ready = False
        self._is_useless = False

    @property
    def is_asked(self) -> bool:
        """Whether an order has no answer yet."""
        return bool(self._channels)

    def begin(self) -> None:
        """Start the warm process; the guard continues while it imports the kit."""
        try:
            ours, theirs = socket.socketpair()
        except OSError:  # no descriptor is left: the next order tries again
            return
        try:
            # Like a node's: an interpreter opens its streams according to a pipe.
            unread, out = os.pipe()
        except OSError:
            ours.close()
            theirs.close()
            return
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _PROGRAM, f"{theirs.fileno()}"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._env,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                # Safe: the guard has one thread.
                preexec_fn=self._prepare,  # noqa: PLW1509
            )
        except (OSError, subprocess.SubprocessError):
            ours.close()
            self._is_useless = True
            return
        finally:
            theirs.close()
            os.close(out)
            os.close(unread)
        ours.setblocking(False)
        self._control, self._was_ready = ours, False
        self._selector.register(ours, selectors.EVENT_READ, self._take_state)

    def fork(self, order: Order) -> bool:
        """Have a process forked; return False if there is no warm process."""
        if self._control is None and not self._is_useless:
            self.begin()
        if self._control is None or self._process is None:
            return False
        try:
            channel, theirs = socket.socketpair()
        except OSError:
            return False
        with theirs:
            try:
                self._send(order, theirs)
            except OSError:
                channel.close()
                return False
        self._process.send_signal(signal.SIGCONT)  # a stopped warm process must not delay a node
        channel.setblocking(False)
        self._channels[channel] = order
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._answered(channel))
        return True

    def _send(self, order: Order, theirs: socket.socket) -> None:
        assert self._control is not None
        with os.fdopen(os.memfd_create("order"), "w+b") as text:
            text.write(json.dumps([order.argv, order.env, order.deaf, order.last]).encode())
            text.seek(0)
            given = [theirs.fileno(), text.fileno(), order.out, order.err, *order.pipes]
            socket.send_fds(self._control, [b"f"], given)

    def poll(self) -> None:
        """Handle the answers that have come."""
        for channel in [*self._channels]:
            self._answered(channel)

    def reaped(self, pid: int) -> bool:
        """Note the end of a process; return whether it was the warm process."""
        if self._process is None or pid != self._process.pid:
            return False
        self._process.returncode = 0  # nobody waits for it again
        self._process = None
        return True

    def close(self) -> None:
        """End the warm process, and all orders without an answer."""
        if self._control is not None:
            self._close_control()
        for channel in self._channels:
            self._selector.unregister(channel)
            channel.close()
        self._channels.clear()

    def _take_state(self) -> None:
        assert self._control is not None
        received = b""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            received = self._control.recv(1)
        if received:
            self._was_ready = True
        else:
            self._close_control()
            # If it cannot start once, it never will: the kernel or the interpreter does not allow
            # it.
            self._is_useless = not self._was_ready

    def _close_control(self) -> None:
        assert self._control is not None
        self._selector.unregister(self._control)
        self._control.close()
        self._control = None

    def _answered(self, channel: socket.socket) -> None:
        if channel not in self._channels:  # `poll` was faster than the selector
            return
        received = b""
        try:
            received = channel.recv(_PID_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        order = self._channels.pop(channel)
        self._selector.unregister(channel)
        with channel:
            if not received:
                self._refused(order)
                return
            self._born(order, int(received))
            with contextlib.suppress(OSError):  # the process was killed meanwhile
                channel.send(b"g")
