"""IPv6, which a container may lack: tests that need it are skipped there, with a reason."""

import socket
from typing import Final

import pytest


def _is_there() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6: Final = pytest.mark.skipif(not _is_there(), reason="no IPv6 here")
