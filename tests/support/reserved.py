"""Numbers that only one test has at a time, in any process: ports, domains of ROS.

A name of a socket is taken by one process of a network namespace, and is free again when that
process ends, however it does.
"""

import atexit
import contextlib
import random
import socket
from typing import Final

# The system gives greater ones to whoever asks for any; 30008 is the default port of a broker.
_PORTS: Final = [port for port in range(10_000, 32_000) if port != 30_008]


class Reserved:
    """A reserved number, held until `close`."""

    def __init__(self, what: str, numbers: "list[int] | range") -> None:
        """Reserve a number that is free."""
        while True:
            self.number = random.choice(numbers)
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.bind(f"\0dsmq-tests-{what}-{self.number}")
            except OSError:
                self._socket.close()
            else:
                return

    def close(self) -> None:
        """Release the number."""
        self._socket.close()


def free_port() -> int:
    """Return a free port that no other test is given before this process ends.

    For what has to be known before somebody listens there: a port that was just free may be given
    to another process meanwhile.
    """
    while True:
        reserved = Reserved("port", _PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", reserved.number)):
            atexit.register(reserved.close)
            return reserved.number
        reserved.close()
