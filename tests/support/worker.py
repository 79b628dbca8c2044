"""What pytest-xdist starts as a worker: it has the collector fork one, and waits for its end.

If there is no collector, as it could not collect the tests, this process becomes a usual worker,
which fails in the same way and is heard.
"""

import contextlib
import os
import socket
import sys


def main() -> None:
    """Hand the streams to a fork of the collector; be a usual worker if it has ended."""
    address, *usual = sys.argv[1:]
    talk = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with talk, contextlib.suppress(OSError):
        talk.connect(bytes.fromhex(address))
        socket.send_fds(talk, [b"."], [0, 1, 2])
        if talk.recv(1):
            os.close(0)
            os.close(1)
            talk.recv(1)
            return
    os.execv(sys.executable, [sys.executable, *usual])


if __name__ == "__main__":
    main()
