"""An incoming topic: published on other machines, and by the uplink on this one."""

import logging
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from dsmq_nodes.dsmq.wire import Reply
from dsmq_nodes.gateways.hub import REQUEST_LASTS_SEC
from dsmq_nodes.gateways.uplink.cursors import LogPlace, RemoteCursor, Silences, read_place
from dsmq_nodes.gateways.uplink.fleet_carrier import TopicOffer
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTopic
from dsmq_nodes.gateways.uplink.predecessor import LastPlace
from dsmq_nodes.gateways.uplink.uncarried_stop import is_stop
from dsmq_nodes.gateways.uplink.uplink_rules import is_best_effort
from dsmq_nodes.graph.time.ages import Ages
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import one_line
from dsmq_nodes.topic_names import REQUEST, is_call

if TYPE_CHECKING:
    from dsmq_nodes.gateways.hub import HubWriter
    from dsmq_nodes.tools.graph_model import TopicModel

logger = logging.getLogger("dsmq_nodes.uplink")

ALIKE_SEC: Final = 0.2  # callers do not notice a shorter absence of a server

NAMELESS: Final = "a base"  # a machine without a name has access to the whole fleet
_read_fields: Final = json_reader(dict[str, msgspec.Raw])


class IncomingMessage(NamedTuple):
    """A received message, and the time of its publication by this machine's clock."""

    text: bytes
    at_sec: float


class IncomingTopic:
    """A topic of other machines that is published on this one."""

    def __init__(
        self, topic: str, offer: TopicOffer, settings: UplinkTopic, silences: Silences
    ) -> None:
        self.topic, self.fleet_name = topic, offer.fleet_name
        self.offers: dict[str, TopicOffer] = {}  # by peer
        self.ending: set[str] = set()  # peers whose offer ends with the answer to a request
        self.is_call = is_sure = is_call(topic)  # requested after any loss
        resume = 0 if is_best_effort(settings.best_effort, offer.type_name) else settings.resume
        self.cursor: RemoteCursor[IncomingMessage] = RemoteCursor(resume, silences, is_sure=is_sure)
        self.writer: HubWriter | None = None
        self.messages = 0  # published so far; counting continues when the offer is back
        # After the predecessor's last status it published this many more messages of its log.
        self.again, self.again_of = 0, ""
        self.asked_sec: dict[str, float] = {}  # when each log was requested, by epoch
        self.ended_sec = -inf  # when it was last withdrawn
        self.is_wanted = False
        self._is_logged = False
        self._ages = Ages(topic, BaseClock(), logger.warning)

    def read_place(self, head: bytes) -> LogPlace | None:
        """Return the place of a message, or None if invalid: later messages then have a hole."""
        try:
            return read_place(head)
        except ValueError as error:
            self.refuse(error)
            return None

    def late_sec(self, place: LogPlace, sent_sec: float, now_sec: float) -> float:
        """Return how much longer a message took than the fastest one of the last seconds."""
        sent_ns, now_ns = round(sent_sec * 1e9), round(now_sec * 1e9)
        if not sent_ns:
            return 0.0
        came = Reply(sender=place.epoch, seq=place.id, stamp=sent_ns, at=now_ns)
        return self._ages.least_ns(came) * 1e-9

    def text_of(self, message: bytes, place: LogPlace, here: "TopicModel | None") -> str:
        """Return the text of a message; that of an emergency stop with its publisher.

        Raises:
            ValueError: it is not UTF-8, or a stop is no JSON.
        """
        text = message.decode()
        if not is_stop(self.topic, here):
            return text
        by = msgspec.Raw(msgspec.json.encode(f"{place.epoch}{place.sender}"))
        return msgspec.json.encode(_read_fields(text) | {"by": by}).decode()

    def refuse_late(self) -> None:
        """Count a call of another machine that arrived too late, and log it."""
        self.cursor.lost += 1
        logger.warning(
            "a call on %s was dropped: the link was down for more than %g s, and its caller "
            "got an error",
            *(self.topic.removesuffix(REQUEST), REQUEST_LASTS_SEC),
        )

    def refuse(self, error: Exception) -> None:
        """Refuse an invalid message of another machine; log only the first."""
        if not self._is_logged:
            self._is_logged = True
            machines = ", ".join(each.machine or NAMELESS for each in self.offers.values())
            logger.warning(
                "refused a message of %s on %s: %s; further ones are only counted as lost",
                *(machines, self.topic, one_line(str(error))),
            )

    def resume(self, last: LastPlace) -> None:
        """Continue at the predecessor's last place."""
        self.cursor.resume_at(last.epoch, last.id, last.numbers)
        self.messages = last.messages
        self.again, self.again_of = last.since, last.epoch
