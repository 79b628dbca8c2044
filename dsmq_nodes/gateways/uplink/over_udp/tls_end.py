"""TLS of the dialling end, without a socket: a relay sends its packets."""

import contextlib
import ssl


class TlsEnd:
    """The dialling end's TLS, between Zenoh's bytes and the encrypted ones."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Prepare the end; nothing is sent yet."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._is_agreed = False
        self._plain = b""

    def seal(self, data: bytes) -> bytes:
        """Encrypt bytes of Zenoh, and return all bytes to send, also those of the handshake."""
        self._plain += data
        if self._is_agreed and self._plain:
            self._tls.write(self._plain)
            self._plain = b""
        return self._outgoing.read()

    def open(self, data: bytes) -> bytes:
        """Decrypt received bytes, and return Zenoh's bytes in them.

        Raises:
            OSError: one end has refused the other's certificate.
        """
        self._incoming.write(data)
        found = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self._is_agreed:
                self._tls.do_handshake()
                self._is_agreed = True
            while more := self._tls.read(65536):
                found += more
        return found
