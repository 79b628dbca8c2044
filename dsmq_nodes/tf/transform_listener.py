"""Subscribes `/tf` and `/tf_static`, and fills a buffer."""

from dsmq_nodes.errors import InvalidArgumentException
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import MessageInfo
from dsmq_nodes.messages.tf2 import TFMessage
from dsmq_nodes.tf.buffer import Buffer
from dsmq_nodes.tf.filling import Filling
from dsmq_nodes.topic_names import TF_STATIC_TOPIC, TF_TOPIC


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
        of_kind(buffer, Buffer, "the buffer of a TransformListener")
        of_kind(node, Node, "the node of a TransformListener")
        self.invalid = 0
        self._buffer = buffer
        self._logger = node.get_logger()
        self._warned_of: set[str] = set()
        self._filling = Filling(buffer)
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
                outcome = self._filling.add(transform, info.publisher_name, is_static=is_static)
            except InvalidArgumentException as error:
                self.invalid += 1
                self._warn_once(transform.child_frame_id, f"a transform is ignored: {error}", info)
                continue
            if outcome == "gone back":
                self._logger.warning(
                    f"{info.topic_name}: the stamps of {info.publisher_name} have gone back: its "
                    "transforms from before are forgotten, all but the static ones; was its clock "
                    "set?"
                )
            elif outcome == "late":
                self._warn_once(
                    f"late {transform.child_frame_id}",
                    f'a transform of "{transform.child_frame_id}" is too old and ignored: newer '
                    "ones came before, or the stamps have jumped back",
                    info,
                )
        self._buffer.changed()

    def _on_jump_back(self) -> None:
        self._logger.warning("time has gone back: transforms forgotten, all but the static ones")
        self._buffer.clear()

    def _warn_once(self, what: str, text: str, info: MessageInfo) -> None:
        if what not in self._warned_of:
            self._warned_of.add(what)
            self._logger.warning(
                f"{info.topic_name} from {info.publisher_name or 'a client'}: {text}; others like "
                "it are only counted"
            )
