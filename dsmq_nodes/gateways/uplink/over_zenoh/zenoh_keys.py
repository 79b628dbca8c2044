"""The keys of the uplink in Zenoh. Does no I/O.

    dsmq/r1/imu                                                the messages of r1's topic /imu
    dsmq/@last/r1/imu                                          its heartbeat: where its log ends
    dsmq/@offer/r1/PEER/VERSION/EPOCH/LATCHED/TYPE/SCHEMA/r1/imu   a token: the topic is offered
    dsmq/@log/r1/PEER/r1/imu                                   a queryable: the messages in its log;
                                                               r1 gets confirmations there, too
    dsmq/@name/r1/PEER                                         a token, and a queryable: r1 is here

A machine without a name is `-`. Zenoh gives `* $ # ?` and a first `@` a meaning, and refuses empty
parts: these are written as `%` and two hex digits.

The version is that of everything that uplinks exchange: keys, heads, requests. Up to it the token
is the same in all versions, so that each uplink can detect another version.
"""

import re
from typing import Final

from dsmq_nodes.gateways.uplink.fleet_carrier import TopicOffer

VERSION: Final = "2"
ROOT: Final = "dsmq"
OFFERS: Final = f"{ROOT}/@offer"
LOGS: Final = f"{ROOT}/@log"
NAMES: Final = f"{ROOT}/@name"
LAST: Final = f"{ROOT}/@last"
NOBODY: Final = "-"
PARTS_OF_OFFER: Final = "*/*/*/*/*/*"
"""The parts of an offer's key between its machine and its topic."""
_special: Final = re.compile(r"[%*$#?]|(?:(?<=/)|^)@").sub
_escaped: Final = re.compile(r"%([0-9A-F]{2})").sub


class OtherVersionError(ValueError):
    """A machine's uplink has another version than this one."""

    def __init__(self, machine: str, version: str) -> None:
        self.machine = machine
        super().__init__(
            f"uses version {version[:20]} of the uplink, and this machine {VERSION}: install the "
            "same version of dsmq_nodes on both"
        )


def escaped(name: str) -> str:
    """Return a name as a part of a key."""
    return _special(lambda found: f"%{ord(found[0]):02X}", name)


def plain(key: str) -> str:
    """Return the name that a part of a key stands for."""
    return _escaped(lambda found: chr(int(found[1], 16)), key)


def data_key(fleet_name: str) -> str:
    """Return the key of a topic's messages."""
    return f"{ROOT}/{escaped(fleet_name)}"


def last_key(fleet_name: str) -> str:
    """Return the key of a topic's heartbeat."""
    return f"{LAST}/{escaped(fleet_name)}"


def log_key(machine: str, peer: str, fleet_name: str) -> str:
    """Return the key for requests to an uplink about the log of a topic."""
    return f"{LOGS}/{machine or NOBODY}/{peer}/{escaped(fleet_name)}"


def name_key(machine: str, peer: str) -> str:
    """Return the token of a machine's name, which is also the key for requests about it."""
    return f"{NAMES}/{machine}/{peer}"


def fleet_name_of(key: str, parts: int) -> str:
    """Return the fleet name after the first `parts` parts of a key.

    Raises:
        ValueError: the key has no further part.
    """
    found = key.split("/", parts)
    if len(found) <= parts:
        raise ValueError(f"{key} names no topic")
    return plain(found[parts])


def offer_key(offer: TopicOffer) -> str:
    """Return the token of an offer."""
    words = (offer.epoch, str(offer.latched), offer.type_name, offer.schema_id)
    middle = "/".join(escaped(word).replace("/", "%2F") or NOBODY for word in words)
    machine = offer.machine or NOBODY
    return f"{OFFERS}/{machine}/{offer.peer}/{VERSION}/{middle}/{escaped(offer.fleet_name)}"


def read_offer(key: str) -> TopicOffer:
    """Return the offer that a token stands for.

    Raises:
        OtherVersionError: the other uplink has another version.
        ValueError: the key is no such token.
    """
    _, _, machine, peer, version, rest = key.split("/", 5)
    if version != VERSION:
        raise OtherVersionError("" if machine == NOBODY else machine, version)
    *middle, fleet_name = rest.split("/", 4)
    epoch, latched, type_name, schema_id = (
        "" if word == NOBODY else plain(word) for word in middle
    )
    machine = "" if machine == NOBODY else machine
    return TopicOffer(machine, peer, epoch, plain(fleet_name), type_name, schema_id, int(latched))
