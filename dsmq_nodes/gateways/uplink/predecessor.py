"""Lets a restarted uplink continue at the last message that the killed one published.

Every second the uplink publishes in its status, for each incoming topic, the place in the other
machine's log, the last numbers of its senders, and how many messages it had published by then. The
topic's own log has the final number, because its messages are numbered. The new uplink requests
what follows the place, and skips as many messages as were published since. If the other log was
lost as well, the senders' numbers give the number of messages lost with it.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.gateways.uplink.log_reader import read_log
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.topic_names import UPLINK, UPLINK_STATUS_TOPIC


class LastPlace(NamedTuple):
    """The last uplink's place in an incoming topic.

    Attributes:
        epoch: the other machine's log.
        id: a message of that log that was published here.
        messages: its number here.
        since: the number of messages published after it.
        numbers: the last numbers of its senders, which continue if that log is lost.
    """

    epoch: str
    id: int
    messages: int
    since: int
    numbers: dict[str, int]


class _Coming(msgspec.Struct):
    messages: int = 0
    places: dict[str, int] = {}
    numbers: dict[str, int] = {}


class _Status(msgspec.Struct):
    coming: dict[str, _Coming] = {}


_read: Final = json_reader(_Status)


def last_places(broker: Address) -> dict[str, LastPlace]:
    """Return the places of this broker's previous uplink, by topic; blocks.

    A topic that came from several logs is omitted, because their order is unknown.
    """
    try:
        return dict(_places(broker))
    except (DsmqError, ValueError):
        return {}  # the broker is away: all messages count as new


def _places(broker: Address) -> Iterator[tuple[str, LastPlace]]:
    for _, status in read_log(broker, UPLINK_STATUS_TOPIC, after=0, epoch="", depth=1):
        for topic, coming in _read(status.text or "").coming.items():
            if len(coming.places) != 1:
                continue
            for _, last in read_log(broker, topic, after=0, epoch="", depth=1):
                since = last.seq - coming.messages
                if last.sender == UPLINK and since >= 0:
                    place = coming.places.popitem()
                    yield topic, LastPlace(*place, coming.messages, since, coming.numbers)
