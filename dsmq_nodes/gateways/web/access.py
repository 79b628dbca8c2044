"""Decides who may use the gateway. Does no I/O: returns a refusal, or None, for a request's head.

A browser runs pages of any site, and each page may open a websocket to any address on this machine
or in its network. rosbridge_suite and Foxglove's SDK accept them all. This gateway checks:

1. **Host.** The host name in the request has to be an address, `localhost`, this machine's own name
   or a configured name. A foreign name that resolves to this machine (DNS rebinding) is refused.
2. **Origin.** For each websocket, and each request that may change something, the requesting page
   has to come from this host (any port), or from this machine if the browser runs on it too, or
   from a configured site. A file or a sandboxed frame of *any* site sends `null`, which is refused.
   A program that is no browser sends no Origin, and is accepted.
3. **Token**, if one is configured: in a cookie, in `Authorization: Bearer`, or as `?token=`.
4. **User**, without a token: a peer on loopback has to be the gateway's own user, as with the
   broker (dsmq/broker/peer_user.py).
"""

import hmac
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from dsmq_nodes.dsmq.loopback import is_loopback
from dsmq_nodes.printable import one_line

TOKEN_VARIABLE: Final = "DSMQ_WEB_TOKEN"
_READING: Final = frozenset({"GET", "HEAD"})


def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local"})


class RequestHead(NamedTuple):
    """The parts of a request that the rules check.

    Attributes:
        peer: the address of the client.
        origins: sites that may use the endpoint besides the gateway's own.
        tokens: the tokens in the request.
        is_other_user: whether it comes from another user of this machine.
    """

    method: str
    host: str
    peer: str
    origin: str | None = None
    is_websocket: bool = False
    origins: Collection[str] = ()
    tokens: Collection[str] = ()
    is_other_user: bool = False


class Refusal(NamedTuple):
    """The reason of a refusal: an HTTP status, and a sentence."""

    status: int
    text: str


@dataclass(frozen=True)
class AccessRules:
    """The rules of one gateway.

    Attributes:
        names: host names of the gateway, besides its own.
        origins: sites whose pages may use it.
        token: the token that users need; empty for none.
        is_insecure: whether other users of this machine need no token either.
    """

    names: Collection[str] = ()
    origins: Collection[str] = ()
    token: str = ""
    is_insecure: bool = False
    own_names: Collection[str] = field(default_factory=_own_names)

    def refusal(self, head: RequestHead) -> Refusal | None:
        """Return why a request is refused; None if it is accepted."""
        host = "" if set(head.host) & set("@/?#\\") else _host_of(f"//{head.host}")
        if not self._is_ours(host):
            text = f"the host {one_line(host) or 'of no host'!r} is not one of this gateway: open "
            text += "it by its address, or start it with --name NAME"
            return Refusal(403, text)
        changes = head.is_websocket or head.method not in _READING
        if changes and head.origin is not None and not self._is_from_here(head, host):
            origin = one_line(head.origin)
            how = (
                "a file or a sandboxed page has no origin: open the page over http"
                if origin == "null"
                else f"start the gateway with --allow-origin {origin}"
            )
            return Refusal(403, f"pages of {origin} may not use this gateway: {how}")
        if self.token and not self.knows(head.tokens):
            return Refusal(401, "a token is needed: open the page with ?token=..., or log in")
        if head.is_other_user and not self.token and not self.is_insecure:
            text = "this gateway is another user's: it needs a token "
            return Refusal(403, f"{text}({TOKEN_VARIABLE}) to let you in")
        return None

    def knows(self, tokens: Collection[str]) -> bool:
        """Whether one of the tokens is right."""
        token = self.token.encode()
        # A header may hold any bytes.
        shown = [each.encode(errors="surrogateescape") for each in tokens]
        found = [hmac.compare_digest(each, token) for each in shown]
        return any(found)

    def _is_ours(self, host: str) -> bool:
        return _is_address(host) or host in {*self.own_names, *(n.lower() for n in self.names)}

    def _is_from_here(self, head: RequestHead, host: str) -> bool:
        origin = head.origin or ""
        if origin in self.origins or origin in head.origins:
            return True
        if urlsplit(origin).scheme not in {"http", "https"}:
            return False
        theirs = _host_of(origin)
        return theirs == host or (
            is_loopback(theirs) and is_loopback(host) and is_loopback(head.peer)
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
