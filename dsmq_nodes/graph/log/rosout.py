"""Publishes a node's log on `/rosout`.

The text is built without the message class (rcl_interfaces/msg/Log), which a node that only logs
would otherwise have to import; the topic is advertised with the first line. A test compares the
text with that of the class.
"""

from typing import Final

import msgspec

from dsmq_nodes.graph.links.link import Link, Publication
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.messages.base import nearest_time_ns
from dsmq_nodes.topic_names import ROSOUT_TOPIC

_LOG_TYPE: Final = "rcl_interfaces/msg/Log"
_LONGEST: Final = 100_000  # characters of one line
_encode: Final = msgspec.json.Encoder().encode


class Rosout:
    """Publishes a node's log, which also goes to the console."""

    def __init__(self, link: Link, clock: BaseClock) -> None:
        self._link = link
        self._clock = clock
        self._publication: Publication | None = None
        self._is_closed = False

    def write(self, level: int, logger_name: str, text: str, place: tuple[str, str, int]) -> None:
        """Publish a line, from any thread; `place` is file, function and line of the call."""
        if self._is_closed:
            return
        if self._publication is None:
            self._publication = self._link.advertise(ROSOUT_TOPIC, _LOG_TYPE, 0)
        sec, nanosec = divmod(nearest_time_ns(self._clock.now_ns()), 1_000_000_000)
        file, function, line = place
        log = {
            "stamp": {"sec": sec, "nanosec": nanosec},
            "level": level,
            "name": logger_name,
            "msg": text[:_LONGEST],
            "file": file,
            "function": function,
            "line": line,
        }
        try:
            line_text = _encode(log)
        except UnicodeEncodeError:  # a lone surrogate, as in a file's name that is not UTF-8
            log["msg"] = text[:_LONGEST].encode("utf-8", "replace").decode()
            line_text = _encode(log)
        self._link.publish(self._publication, line_text.decode())

    def close(self) -> None:
        """Stop publishing, since the link ends."""
        self._is_closed = True
