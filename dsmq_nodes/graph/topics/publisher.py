"""Publishers: the sending end of a topic."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic

from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.graph.callback import MessageT
from dsmq_nodes.graph.links.link import Append, Link, Publication, UsualMessages
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.topics.graph_view import GraphView
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.graph.wrong_message import given_instead
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.codec import codec

if TYPE_CHECKING:
    from dsmq_nodes.graph.time.watchdog import Watchdog


_LARGE_BYTES: Final = MAX_BODY_BYTES // 2


class Publisher(Generic[MessageT]):
    """Publishes messages of one type on one topic; made by `Node.create_publisher`."""

    def __init__(
        self,
        msg_type: type[MessageT],
        publication: Publication,
        *,
        qos_publication: Publication | None,
        link: Link,
        spinner: Spinner,
        graph: GraphView,
        logger: Logger,
        watchdog: "Watchdog | None",
    ) -> None:
        self.msg_type = msg_type
        self.watchdog = watchdog
        self._is_closed = False
        self._send: Append = self._publish  # the appender, while there is one
        self._is_large = False  # whether the size has been logged
        self.publication = publication
        self.qos_publication = qos_publication  # the publication that announces its QoS
        self._link = link
        self._spinner = spinner
        self._graph = graph
        self._logger = logger

    @property
    def topic_name(self) -> str:
        """The topic's absolute name."""
        return self.publication.topic

    @property
    def messages(self) -> int:
        """How many messages were published, dropped ones included."""
        return self.publication.messages

    @property
    def dropped(self) -> int:
        """How many messages could not be sent to the broker."""
        return self.publication.dropped

    def publish(self, msg: MessageT) -> None:
        """Send a message; returns at once, and may be called from any thread.

        Raises:
            TypeError: the message is not of this publisher's type.
            MessageError: a field holds a value of the wrong type.
            WireError: the message is over the 8,999,999 bytes of a frame.
            ValueError: the publisher was destroyed.
        """
        self._send(msg)

    def _publish(self, msg: MessageT) -> None:
        self._check(msg)
        self._spinner.warn_if_ended(f"publish on {self.topic_name}")
        shares = self.publication.writer is not None
        if shares:
            text, field, raw = msg.to_parts()
        else:
            text, field, raw = msg.to_json(), "", b""
        if len(text) > _LARGE_BYTES and not self._is_large:
            self._warn_of_size(len(text))
        self._link.publish(self.publication, text, field, raw)
        msg_type = self.msg_type
        usual = UsualMessages(msg_type, msg_type.to_record, codec(msg_type), self._publish)
        short = self._link.appender(self.publication, usual)
        if self.watchdog is not None:
            self.watchdog.heard()
            short = _then(short, self.watchdog.heard) if short is not None else None
        self._send = short or self._publish

    def _check(self, msg: MessageT) -> None:
        if not (isinstance(msg, self.msg_type) or self._is_alike(msg)):
            raise TypeError(
                f"{self.topic_name} carries {self.msg_type.type_name}, {self._describe_wrong(msg)}"
            )
        if self._is_closed:
            raise ValueError(f"{self.topic_name}: this publisher was destroyed")

    def _is_alike(self, given: object) -> bool:
        """Whether `given` has an equal type by another class: a notebook's cell ran again."""
        return isinstance(given, Message) and (given.type_name, schema_text(type(given))) == (
            self.publication.type_name,
            self.publication.schema,
        )

    def _describe_wrong(self, given: object) -> str:
        """Return what was published instead of a message, and what to write."""
        is_namesake = getattr(given, "type_name", "") == self.msg_type.type_name
        if isinstance(given, Message) and is_namesake:
            return (
                "not one of another class of that name, with other fields: make the publisher with "
                "this class"
            )
        return given_instead(self.msg_type, given)

    def _warn_of_size(self, size_bytes: int) -> None:
        self._is_large = True
        self._logger.warning(
            f"{self.topic_name}: a message has {size_bytes:,} bytes as JSON; publish() raises "
            f"from {MAX_BODY_BYTES:,} on: send large messages less often, compress them "
            "(CompressedImage), or send a reference"
        )

    def get_subscription_count(self) -> int:
        """Return how many subscribers the topic has, tools included, as far as is known.

        The first call asks the broker for the graph. Outside of callbacks it waits for the answer;
        in a callback it returns 0 until the answer has come.
        """
        self._graph.ask()
        return len(self._graph.subscribers(self.topic_name))

    def wait_for_subscribers(self, count: int = 1, timeout_sec: float | None = None) -> bool:
        """Wait until the topic has `count` subscribers: they receive every later message.

        The node's callbacks run meanwhile. Returns False on timeout.

        Raises:
            SpinError: called from a callback: `await wait_for_subscribers_async()` there.
        """
        work = self.wait_for_subscribers_async(count, timeout_sec)
        return bool(self._spinner.block_on(work, "await publisher.wait_for_subscribers_async()"))

    async def wait_for_subscribers_async(
        self, count: int = 1, timeout_sec: float | None = None
    ) -> bool:
        """Do the same as `wait_for_subscribers`, in a coroutine."""
        subscribers, topic_name = self._graph.subscribers, self.topic_name
        return await self._graph.within(lambda: len(subscribers(topic_name)) >= count, timeout_sec)

    def forked(self) -> None:
        """Stop using the link and its memory, which belong to the parent; in a forked child."""
        self.publication.writer = None
        self.go_the_general_way()

    def go_the_general_way(self) -> None:
        """Publish the next message by all decisions, since the node ends, for example."""
        self._send = self._publish

    def close(self, *, is_last: bool) -> None:
        """Stop publishing; `Node.destroy_publisher` calls this."""
        self._is_closed = True
        self.go_the_general_way()
        if is_last:
            self._link.unadvertise(self.publication)


def _then(send: Append, heard: Callable[[], None]) -> Append:
    def publish(msg: object) -> None:
        send(msg)
        heard()

    return publish
