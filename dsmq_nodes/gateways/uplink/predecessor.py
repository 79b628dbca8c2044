"""The places at which a restarted uplink continues: the last messages that it had published.

Once a second, the uplink's status contains for each incoming topic the place in the other machine's
log, the last numbers of its senders, and how many messages were published so far. The topic's own
log shows how many were published in the end, since they are numbered. So the new uplink requests
the messages after the place, and skips as many as were published since. If the other log was lost
as well, the senders' numbers show how many messages were lost with it.
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
    """The place of the last uplink in an incoming topic.

    Attributes:
        epoch: the epoch of the other machine's log.
        id: the id of a message there that was published here.
        messages: the message's number here.
        since: how many messages were published after it.
        numbers: the last ones of its senders; they go on when that log is lost.
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
    """Return the places of this broker's last uplink, by topic; it blocks.

    A topic that came from several logs is left out, since the order of its messages is unknown.
    """
    try:
        return dict(_places(broker))
    except (DsmqError, ValueError):
        return {}  # the broker is lost: all incoming messages are new


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
