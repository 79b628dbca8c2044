"""Logs what a router refuses, in one line each.

Zenoh silently drops what a certificate gives no right to. It reports this only in its own log, at
the lowest level and on the standard output, beside a line for everything that it permits. That log
is therefore redirected to a pipe, which a thread reads. With RUST_LOG set it is not redirected.

    ZID on ...+CertCommonName(r2)+... is unauthorized to Declare Subscriber (ingress) on dsmq/r1/**
    Using cached result: ZID is unauthorized to Put (ingress) on dsmq/r1/odom
    ACL (ingress): caching permissions for `dsmq/r1/odom` ...
    zenoh_link_tls::unicast: received corrupt message of type InvalidContentType. Hint: ...

After the third one Zenoh tries each right in advance: such a line reports no attempt. The last one
is about a machine that does not use TLS, or whose certificate is not accepted.
"""

import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final

import zenoh

from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import NAMES, NOBODY, ROOT, plain
from dsmq_nodes.printable import one_line

if sys.platform == "linux":
    import fcntl

logger = logging.getLogger("dsmq_nodes.uplink")

_FILTER: Final = "off,zenoh_link_tls=warn,zenoh::net::routing::interceptor::access_control=trace"
_CHUNK_BYTES: Final = 1024 * 1024  # the size of a pipe
_READ_SEC: Final = 0.2  # seldom: two lines are written for each permitted message
_F_SETPIPE_SZ: Final = 1031  # Linux only
_MOST_LINES: Final = 1000
_VERBS: Final = {
    "Put": "write",
    "Delete": "write",
    "Declare Subscriber": "read",
    "Declare Liveliness Subscriber": "read",
    "Query": "read",
    "Liveliness Query": "read",
    "Liveliness Token": "offer",
    "Declare Queryable": "offer",
}
_TRIED: Final = ("Put", "Delete", "Query", "Liveliness Query", "Declare Liveliness Subscriber")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_REFUSED: Final = re.compile(
    r"(?P<zid>[0-9a-f]+) (?:on \S*?(?:CertCommonName\((?P<name>[^)]*)\)\S*)? )?"
    r"is unauthorized to (?P<what>[A-Za-z ]+?) \(ingress\) on (?P<key>\S+)"
)
_NO_TLS: Final = re.compile(
    r"zenoh_link_tls.*(?:peer certificate: (?P<certificate>[\w ]+)|corrupt message|no certificates)"
)
_CACHING: Final = re.compile(r"ACL \(ingress\): caching permissions for `(?P<key>[^`]+)`")


class Refusals:
    """Parses Zenoh's log; does no I/O."""

    def __init__(self, machines: Iterable[str]) -> None:
        """Prepare to parse the log of a router that gives rights to these machines."""
        self._machines = set(machines)
        self._names: dict[str, str] = {}  # names of machines, by Zenoh's id
        self._tried: set[tuple[str, str]] = set()
        self._logged: set[str] = set()

    def read(self, line: str) -> Iterator[str]:
        """Yield the text to log for a line, once for each attempt."""
        if found := _CACHING.search(line):
            self._tried = {(what, found["key"]) for what in _TRIED}
        if (found := _NO_TLS.search(line)) is not None:
            yield from self._once(_why_no_tls(found["certificate"]))
        if (found := _REFUSED.search(line)) is None:
            return
        zid, what, key = found["zid"], found["what"], found["key"]
        if found["name"]:
            self._names[zid] = found["name"]
        elif key.startswith(f"{NAMES}/"):  # Zenoh names no certificate that has no rights
            self._names.setdefault(zid, f"what calls itself {plain(key.split('/')[2])}")
        is_cached = "cached result" in line
        if (what, key) in self._tried and not is_cached:
            self._tried.discard((what, key))
            return
        yield from self._once(self._text_of(self._names.get(zid, zid), what, key))

    def _once(self, text: str) -> Iterator[str]:
        if text and text not in self._logged and len(self._logged) < _MOST_LINES:
            self._logged.add(text)
            yield text

    def _text_of(self, machine: str, what: str, key: str) -> str:
        if what not in _VERBS:
            return ""
        if machine not in self._machines:
            return f"refused: {machine} has no rights here: name it in robots or bases"
        topic = key.removeprefix(ROOT)
        if topic.startswith("/@"):
            return f"refused: {machine} {_describe_misuse(machine, key)}"
        return f"refused: {machine} may not {_VERBS[what]} {plain(topic)}"


def _why_no_tls(certificate: str | None) -> str:
    if certificate is None:
        return "refused: a connection without certificates: set tls there"
    return f"refused: a connection with a certificate that is not accepted: {certificate}"


def _describe_misuse(machine: str, key: str) -> str:
    """Return what a machine did that used an uplink's key beyond its rights: see zenoh_keys.py."""
    _, _, whose, *rest = key.split("/")
    if whose == NOBODY and rest[-1:] == ["**"]:
        whose = rest[-2]  # it reads the offers of bases to that name
    if whose in {NOBODY, "*", "**"}:
        return f"wants the fleet, as bases may: write `as: {machine}` there, or name it in bases"
    if whose != machine:
        return f"calls itself {whose}, but its certificate does not: write `as: {machine}` there"
    return f"may not use {key}"


def log_refusals(machines: Iterable[str]) -> None:
    """Log refusals from now on; call this before a session is opened and a handler is made."""
    if "RUST_LOG" in os.environ:
        return
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w")  # Python's own output stays where it was
    os.dup2(writing, 1)
    os.close(writing)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # the user's limit of pipe buffers
            fcntl.fcntl(reading, _F_SETPIPE_SZ, _CHUNK_BYTES)
    zenoh.init_log_from_env_or(_FILTER)
    refusals = Refusals(machines)
    threading.Thread(target=_read, args=(reading, refusals), name="refusals", daemon=True).start()


def _read(reading: int, refusals: Refusals) -> None:
    rest = b""
    while chunk := os.read(reading, _CHUNK_BYTES):
        lines, _, rest = (rest + chunk).rpartition(b"\n")
        for line in lines.split(b"\n") if _is_of_use(lines) else ():
            if _is_of_use(line):
                for text in refusals.read(_COLOUR.sub("", line.decode(errors="replace"))):
                    logger.warning("%s", one_line(text))
        if len(chunk) < _CHUNK_BYTES // 2:
            time.sleep(_READ_SEC)


def _is_of_use(text: bytes) -> bool:
    return any(each in text for each in (b"is unauthorized", b": caching", b"zenoh_link_tls"))
