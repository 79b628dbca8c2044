"""Subscribes `/tf` and `/tf_static`, and fills a buffer."""

from typing import Final

from dsmq_nodes.errors import InvalidArgumentException
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import MessageInfo
from dsmq_nodes.messages.geometry import TransformStamped
from dsmq_nodes.messages.tf2 import TFMessage
from dsmq_nodes.tf.buffer import Buffer
from dsmq_nodes.topic_names import TF_STATIC_TOPIC, TF_TOPIC

_MOST_LATE: Final = 1000  # frames


class TransformListener:
    """Fills a buffer with the transforms on `/tf` and `/tf_static`.

    Attributes:
        invalid: how many transforms were not valid; the first of each frame is in the log.
    """

    def __init__(
        self,
        buffer: Buffer,
        node: Node,
        *,
        qos: QoSProfile | int = 100,
        static_qos: QoSProfile | int = 100,
    ) -> None:
        """Listen with a node; `buffer` waits while that node's callbacks run."""
        self.invalid = 0
        self._buffer = buffer
        self._logger = node.get_logger()
        self._complained: set[str] = set()
        self._late_ns: dict[tuple[str, str], int] = {}  # the last stamp too old, by who and frame
        buffer.attach(node)
        node.get_clock().call_on_jump_back(self._on_jump_back)
        node.create_subscription(TFMessage, TF_TOPIC, self._on_tf, qos)
        node.create_subscription(TFMessage, TF_STATIC_TOPIC, self._on_tf_static, static_qos)

    def _on_tf(self, msg: TFMessage, info: MessageInfo) -> None:
        self._take(msg, info, is_static=False)

    def _on_tf_static(self, msg: TFMessage, info: MessageInfo) -> None:
        self._take(msg, info, is_static=True)

    def _take(self, msg: TFMessage, info: MessageInfo, *, is_static: bool) -> None:
        for transform in msg.transforms:
            try:
                kept = self._buffer.set_transform(
                    transform, info.publisher_name, is_static=is_static
                )
            except InvalidArgumentException as error:
                self.invalid += 1
                self._complain(transform.child_frame_id, f"a transform is ignored: {error}", info)
                continue
            if kept:
                if self._late_ns:
                    self._late_ns.pop((info.publisher_name, transform.child_frame_id), None)
            elif self._has_jumped_back(transform, info):
                self._buffer.ignored -= 1
                self._buffer.set_transform(transform, info.publisher_name)
            else:
                self._complain(
                    f"late {transform.child_frame_id}",
                    f'a transform of "{transform.child_frame_id}" is too old and ignored: newer '
                    "ones came before, or the stamps have jumped back",
                    info,
                )
        self._buffer.changed()

    def _has_jumped_back(self, transform: TransformStamped, info: MessageInfo) -> bool:
        """Whether a broadcaster's stamps have gone back; then its old transforms are forgotten.

        A single old stamp may be a straggler. Two in a row, with rising stamps of the same frame,
        mean a clock that was set back, or a bag that was restarted. Clients without a name may be
        several.
        """
        who, stamp_ns = info.publisher_name, transform.header.stamp.to_nanoseconds()
        if not who:
            return False
        frame = (who, transform.child_frame_id)
        before_ns = self._late_ns.get(frame)
        if len(self._late_ns) >= _MOST_LATE:
            self._late_ns.clear()
        self._late_ns[frame] = stamp_ns
        if before_ns is None or stamp_ns <= before_ns or not self._buffer.is_newest_from(*frame):
            return False
        self._late_ns.clear()
        self._buffer.clear(who)
        self._logger.warning(
            f"{info.topic_name}: the stamps of {who} have gone back: its transforms "
            "from before are forgotten, all but the static ones; was its clock set?"
        )
        return True

    def _on_jump_back(self) -> None:
        self._logger.warning("time has gone back: transforms forgotten, all but the static ones")
        self._buffer.clear()

    def _complain(self, what: str, text: str, info: MessageInfo) -> None:
        if what not in self._complained:
            self._complained.add(what)
            self._logger.warning(
                f"{info.topic_name} from {info.publisher_name or 'a client'}: {text}; others like "
                "it are only counted"
            )
