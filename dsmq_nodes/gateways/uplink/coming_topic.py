"""A topic of other machines that is published on this one."""

import logging
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from dsmq_nodes.gateways.uplink.cursors import LogPlace, RemoteCursor, Silences, read_place
from dsmq_nodes.gateways.uplink.fleet_carrier import TopicOffer
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTopic
from dsmq_nodes.gateways.uplink.predecessor import LastPlace
from dsmq_nodes.gateways.uplink.uplink_rules import (
    REQUEST_LASTS_SEC,
    is_always_resumed,
    is_best_effort,
)
from dsmq_nodes.printable import one_line
from dsmq_nodes.topic_names import REQUEST

if TYPE_CHECKING:
    from dsmq_nodes.gateways.hub import HubWriter

logger = logging.getLogger("dsmq_nodes.uplink")

ALIKE_SEC: Final = 0.2  # a shorter absence of a server is hidden from callers

NAMELESS: Final = "a base"  # a machine without a name, which sees the whole fleet


class ComingMessage(NamedTuple):
    """A message as it arrived, and the time of its publication by this machine's clock."""

    text: bytes
    at_sec: float


class ComingTopic:
    """A topic of other machines that is published here."""

    def __init__(
        self, topic: str, offer: TopicOffer, settings: UplinkTopic, silences: Silences
    ) -> None:
        self.topic, self.fleet_name = topic, offer.fleet_name
        self.offers: dict[str, TopicOffer] = {}  # by peer
        self.is_call = is_sure = is_always_resumed(topic)
        resume = 0 if is_best_effort(settings.best_effort, offer.type_name) else settings.resume
        self.cursor: RemoteCursor[ComingMessage] = RemoteCursor(resume, silences, is_sure=is_sure)
        self.writer: HubWriter | None = None
        self.messages = 0  # published so far; the numbers continue when the offer is back
        # How many messages the predecessor published that its last status does not contain.
        self.again, self.again_of = 0, ""
        self.asked_sec: dict[str, float] = {}  # the time of the open question to each log
        self.ended_sec = -inf  # when it was last withdrawn here
        self.is_wanted = False
        self._is_told = False

    def read_place(self, head: bytes) -> LogPlace | None:
        """Return the place of a message; None if the head is invalid: later messages see a hole."""
        try:
            return read_place(head)
        except ValueError as error:
            self.refuse(error)
            return None

    def refuse_late(self) -> None:
        """Log, once, that a call of another machine came too late."""
        self.cursor.lost += 1
        logger.warning(
            "a call on %s is not carried out: the link was away for more than %g s, and its caller "
            "was told so",
            *(self.topic.removesuffix(REQUEST), REQUEST_LASTS_SEC),
        )

    def refuse(self, error: Exception) -> None:
        """Count an invalid message of another machine; log the first one."""
        if not self._is_told:
            self._is_told = True
            machines = ", ".join(each.machine or NAMELESS for each in self.offers.values())
            logger.warning(
                "refused: a message of %s on %s: %s; others are only counted as lost",
                *(machines, self.topic, one_line(str(error))),
            )

    def go_on(self, last: LastPlace) -> None:
        """Continue at the last place of the predecessor."""
        self.cursor.resume_at(last.epoch, last.id, last.numbers)
        self.messages = last.messages
        self.again, self.again_of = last.since, last.epoch
