"""TLS of the dialling end, without a socket: a relay carries its packets."""

import contextlib
import ssl


class TlsEnd:
    """The dialling end's TLS, between Zenoh's bytes and those of the connection."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Make an end before its handshake."""
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=host)
        self._is_agreed = False
        self._plain = b""

    def seal(self, data: bytes) -> bytes:
        """Return the bytes to send for some bytes of Zenoh, and for received ones."""
        self._plain += data
        if self._is_agreed and self._plain:
            self._tls.write(self._plain)
            self._plain = b""
        return self._goes.read()

    def open(self, data: bytes) -> bytes:
        """Return Zenoh's bytes in received ones.

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
