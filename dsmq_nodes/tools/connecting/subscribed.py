"""A topic that a session has subscribed: how far it was read, and what was lost."""

from typing import TYPE_CHECKING

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.log import Cursor

if TYPE_CHECKING:
    from dsmq_nodes.graph.links.link_reader import Losses


class Subscribed:
    """A subscribed topic, and how far it was read.

    Attributes:
        cursor: how far it was read.
        resumes_after: the id after which a new connection resumes; None: not known yet.
        losses: counts lost messages by the publishers' numbers; None: only the broker's gaps count.
        end: the newest id at the last request for it; None: the broker has not answered.
        is_new: whether the broker has yet to answer; messages then are of an earlier subscription.
        passive: whether the broker may end the subscription with the topic.
        number: how many requests to subscribe the topic the broker has to answer until then.
    """

    def __init__(
        self,
        depth: int,
        type_name: str,
        resumes_after: int | None,
        losses: "Losses | None",
        *,
        passive: bool,
    ) -> None:
        self.depth, self.type_name, self.passive = depth, type_name, passive
        self.resumes_after, self.losses = resumes_after, losses
        self.cursor = Cursor()
        self.end: int | None = None
        self.is_new, self.number = True, 0

    @property
    def behind(self) -> int:
        """How many messages are still unread; 1 while that is unknown."""
        if self.end is None:
            return 1
        return max(0, self.end - max(self.cursor.after, self.resumes_after or 0))

    def take(self, reply: wire.Reply) -> bool:
        """Take a message, and count the lost ones before it; return False if it is skipped."""
        if self.is_new or self.losses is None:
            return not self.is_new
        if not self.cursor.follow(reply):
            return False
        self.resumes_after = reply.id
        if lost := self.losses.before(reply):
            reply.gap += max(lost, 0)
        return lost >= 0  # else it was sent again, to a new broker, for other readers
