"""How a bag is played."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsmq_nodes.topic_names import REQUEST, is_call, is_kits_own


@dataclass(frozen=True, slots=True)
class Playing:
    """How a bag is played.

    Attributes:
        rate: 2 is twice as fast as recorded; 0 is as fast as the readers take it.
        loop: again and again; a round lasts 0.1 s at least.
        start_offset_sec: begin so far into the bag, with what is latched then.
        duration_sec: play so much of it; None: all.
        delay_sec: wait so long first.
        clock_hz: publish `/clock` so often; 0: never.
        remap: other names for topics.
        wait_for: how many subscribers each topic has before it begins.
        start_paused: wait for `resume` or `step`.
        service_requests: call services and send goals again, as they were when it was recorded;
            the goals are this player's, and cancelled when it ends.
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

    def leaves_out(self, topic: str) -> bool:
        """Whether a topic is not played: a call would be made again, a reply come from nobody."""
        if topic.endswith(REQUEST) and self.service_requests:
            return False
        return is_call(topic) or is_kits_own(topic)
