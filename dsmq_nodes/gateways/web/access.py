"""Who may talk to the gateway. Pure: a request's head in, a refusal or nothing out.

A browser runs pages of any site, and lets each open a websocket to any address: on this machine,
or in this network. rosbridge_suite and Foxglove's SDK accept them all. Here:

1. **Host.** The name under which a browser asks has to be an address, `localhost`, this machine's
   own name or one that was given. A foreign name that resolves to this machine (DNS rebinding) is
   refused.
2. **Origin.** On each websocket and each request that may change something, the page that asks has
   to come from this host (any port), or from this very machine when the browser runs on it too, or
   from a site that was given. `null` is what a file or a sandboxed frame of *any* site sends: it is
   refused. A program that is no browser sends no Origin, and passes.
3. **Token**, where there is one: in a cookie, in `Authorization: Bearer`, or as `?token=`.
4. **User**, where there is none: a peer on loopback has to be of the gateway's own user, as with
   the broker (dsmq/broker/peer_user.py).
"""

import hmac
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from dsmq_nodes.dsmq.exposure import is_loopback
from dsmq_nodes.printable import one_line

TOKEN_VARIABLE: Final = "DSMQ_WEB_TOKEN"
_READING: Final = frozenset({"GET", "HEAD"})


def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local"})


class RequestHead(NamedTuple):
    """What the rules look at.

    Attributes:
        peer: the address that asks.
        origins: sites that may use the endpoint besides our own.
        tokens: the tokens that it shows.
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
    """Why a request is refused, in the words of HTTP and in a sentence."""

    status: int
    text: str


@dataclass(frozen=True)
class AccessRules:
    """The rules of one gateway.

    Attributes:
        names: names under which it may be asked for, besides its own.
        origins: sites whose pages may use it.
        token: what users have to show; empty: nothing.
        is_insecure: other users of this machine need no token either.
    """

    names: Collection[str] = ()
    origins: Collection[str] = ()
    token: str = ""
    is_insecure: bool = False
    own_names: Collection[str] = field(default_factory=_own_names)

    def refusal(self, head: RequestHead) -> Refusal | None:
        """Why a request is refused; None: it passes."""
        host = "" if set(head.host) & set("@/?#\\") else _host_of(f"//{head.host}")
        if not self._is_ours(host):
            text = f"the name {one_line(host) or 'of no host'!r} is not one of this gateway: open "
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
        """Whether one of the tokens is the right one."""
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
