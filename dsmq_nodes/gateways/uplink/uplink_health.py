"""The uplink's part of `/diagnostics`, for `doctor` and dashboards. Does no I/O."""

from collections.abc import Iterable
from typing import Any

from dsmq_nodes.messages.diagnostic import DiagnosticArray, DiagnosticStatus, KeyValue


class Health:
    """Compares an uplink's counters with those of a second ago."""

    def __init__(self) -> None:
        self._lost = self._dropped = 0

    def diagnostics(self, status: dict[str, Any], uncarried: Iterable[str] = ()) -> DiagnosticArray:
        """Return the diagnostics: the link's state in one line, its counters, and missing stops."""
        lost = sum(each["lost"] for each in status["coming"].values())
        dropped = sum(each["dropped"] for each in status["going"].values())
        new_lost, new_dropped = lost - self._lost, dropped - self._dropped
        self._lost, self._dropped = lost, dropped
        level, message = DiagnosticStatus.OK, "connected"
        if not status["links"]:
            level, message = DiagnosticStatus.WARN, "no machine is connected"
        elif new_dropped > 0:
            message = f"the link is too slow, or was down: {new_dropped} messages were lost"
            message += " in the last second"
            level = DiagnosticStatus.WARN
        elif new_lost > 0:
            message = f"{new_lost} messages of other machines were lost in the last second"
            level = DiagnosticStatus.WARN
        values = {"links": len(status["links"]), "lost": lost, "dropped": dropped}
        link = DiagnosticStatus(level=level, name="uplink: link", message=message)
        link.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        found = [link]
        if missing := "; ".join(uncarried):
            stop = DiagnosticStatus(name="uplink: emergency stop", message=missing)
            stop.level = DiagnosticStatus.WARN
            found.append(stop)
        for each in found:
            each.hardware_id = status["name"]
        return DiagnosticArray(status=found)
