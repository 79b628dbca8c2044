"""TLS of the end that dials, without a socket: its packets go over a relay."""

import contextlib
import ssl


class TlsEnd:
    """The dialling end's TLS, between Zenoh's bytes and those that go."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """An end that has said nothing yet."""
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=host)
        self._is_agreed = False
        self._plain = b""

    def seal(self, data: bytes) -> bytes:
        """What goes for some bytes of Zenoh; without any: for what has come."""
        self._plain += data
        if self._is_agreed and self._plain:
            self._tls.write(self._plain)
            self._plain = b""
        return self._goes.read()

    def open(self, data: bytes) -> bytes:
        """Zenoh's bytes in what has come.

        Raises:
            OSError: one end has refused the other's certificate.
        """
        self._came.write(data)
        found = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self._is_agreed:
                self._tls.do_handshake()
                self._is_agreed = True
            while more := self._tls.read(65536):
                found += more
        return found
