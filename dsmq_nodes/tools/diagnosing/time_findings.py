"""Findings about stamps, clocks and messages that come too late."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from dsmq_nodes.tools.diagnosing.seen import (
    WARNING,
    Finding,
    Seen,
    count,
    readers_of,
    subscription_of,
    visible_topics,
    writers_of,
)
from dsmq_nodes.topic_names import CLOCK_TOPIC

_STALE_SEC: Final = 1.0  # an older stamp at its publishing is stale
_AHEAD_SEC: Final = 0.1  # a message takes less; beyond this the clock is ahead of ours
_BEHIND_SEC: Final = 5.0  # the clock is behind, or the message was delayed
SANE_SEC: Final = (1_577_836_800.0, 2.0**31)  # from 2020 on, up to what int32 seconds can say
_LONGEST_TRANSIT_SEC: Final = 1.0
_AGREE: Final = "Set the clocks of both machines (chrony, timedatectl)."
_SET_IT: Final = "Set it (chrony, timedatectl), or look at the battery of its real-time clock."


def time_findings(seen: Seen) -> Iterator[Finding]:
    """Yield the findings about times."""
    yield from _times(seen)
    yield from _clocks(seen)
    yield from _late(seen)


def _times(seen: Seen) -> Iterator[Finding]:
    for topic in visible_topics(seen):
        stamp = seen.stamps.get(topic.name)
        if stamp is None:
            continue
        about = (topic.name, *readers_of(topic), *(end.node for end in topic.publishers))
        who = ", ".join(writers_of(topic))
        sent_sec = stamp.clock_sec or stamp.published_sec or stamp.received_sec
        age_sec = 0.0 if stamp.header_sec is None else sent_sec - stamp.header_sec
        transit_sec = stamp.received_sec - stamp.published_sec if stamp.published_sec else 0.0
        if stamp.header_sec == 0.0:
            text = f"{topic.name}: the stamps of {who} are not set"
            yield Finding(WARNING, "no stamp", about, text, "Publish with `header=self.stamp()`.")
        elif age_sec > _STALE_SEC or age_sec < -_AHEAD_SEC:
            how = "older" if age_sec > 0 else "newer"
            text = f"{topic.name}: stamps of {who} are {abs(age_sec):.1f} s {how} than "
            text += CLOCK_TOPIC if stamp.clock_sec is not None else "their publishing"
            advice = "Set the stamp when it is measured; all nodes or none with use_sim_time."
            yield Finding(WARNING, "stale stamp", about, text, advice)
        if transit_sec > _BEHIND_SEC or transit_sec < -_AHEAD_SEC:
            how = "behind" if transit_sec > 0 else "ahead of"
            text = f"{topic.name}: the clock of {who} is {abs(transit_sec):.1f} s {how} this one"
            yield Finding(WARNING, "clock offset", about, text, _AGREE)


def _clocks(seen: Seen) -> Iterator[Finding]:
    """Yield the faults of the clocks themselves."""
    if seen.clock_sec and not SANE_SEC[0] < seen.clock_sec < SANE_SEC[1]:
        date = datetime.fromtimestamp(seen.clock_sec, UTC).strftime("%Y-%m-%d")
        text = f"the clock of this machine says {date}: "
        text += (
            "stamps cannot say more than 2038-01-19" if seen.clock_sec > 1e9 else "it is not set"
        )
        yield Finding(WARNING, "clock not set", (), text, _SET_IT)
    for name, transit_sec in sorted(seen.transits_sec.items()):
        if transit_sec > _LONGEST_TRANSIT_SEC or transit_sec < -_AHEAD_SEC:
            how = "behind" if transit_sec > 0 else "ahead of"
            text = f"the clock of {name} is {abs(transit_sec):.1f} s {how} this one"
            yield Finding(WARNING, "clock offset", (name,), text, _AGREE)
    set_back: dict[float, list[str]] = {}
    for name, node in sorted(seen.nodes.items()):
        if node.clock_set_back_sec:
            set_back.setdefault(round(node.clock_set_back_sec, 1), []).append(name)
    for sec, names in set_back.items():
        text = (
            f"the clock of {', '.join(names)} was set back by {sec:.1f} s in the last 5 minutes: "
        )
        text += "earlier stamps lie in the future"
        advice = "Have it slewed while nodes run (chrony), and restart what keeps old stamps."
        yield Finding(WARNING, "clock set back", tuple(names), text, advice)


def _late(seen: Seen) -> Iterator[Finding]:
    for name, node in seen.nodes.items():
        for now in node.subscriptions:
            before = subscription_of(seen.nodes_before, name, now.topic)
            late = now.late - before.late if before is not None else 0
            if late > 0:
                text = f"{now.topic}: {count(late, 'message')} came too late to {name} and were "
                text += "skipped: older than the lifespan, or than an Actuator's timeout"
                advice = "Raise that limit, or find what delays the messages: "
                advice += f"`dsmq-nodes topic delay {now.topic}` measures it."
                yield Finding(WARNING, "late messages", (now.topic, name), text, advice)
