"""The options of a playback."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsmq_nodes.topic_names import REQUEST, is_call, is_emergency_stop, is_kits_own


@dataclass(frozen=True, slots=True)
class Playing:
    """The options of a playback.

    Attributes:
        rate: 2 is twice as fast as recorded; 0 is as fast as the readers receive.
        loop: repeat without end; a round lasts at least 0.1 s.
        start_offset_sec: where to begin in the bag; earlier latched messages are published first.
        duration_sec: how much of the bag to play; None for all.
        delay_sec: how long to wait before the first message.
        clock_hz: the rate of `/clock`; 0 for never.
        remap: other names for topics.
        wait_for: the number of subscribers that each topic needs before the playback begins.
        start_paused: wait for `resume` or `step`.
        service_requests: call services and send goals again, as recorded; the goals belong to this
            player, and are cancelled when it ends.
    """

    rate: float = 1.0
    loop: bool = False
    start_offset_sec: float = 0.0
    duration_sec: float | None = None
    delay_sec: float = 0.0
    clock_hz: float = 0.0
    remap: Mapping[str, str] = field(default_factory=dict)
    wait_for: int = 0
    start_paused: bool = False
    service_requests: bool = False

    def skips(self, topic: str) -> bool:
        """Whether a topic is not played.

        Playing it would repeat service calls or their answers, or release an emergency stop that is
        pressed now. The emergency stop is played if `remap` names it.
        """
        if is_emergency_stop(topic):
            return topic not in self.remap
        if topic.endswith(REQUEST) and self.service_requests:
            return False
        return is_call(topic) or is_kits_own(topic)
