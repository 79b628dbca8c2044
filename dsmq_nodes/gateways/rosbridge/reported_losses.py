"""Limits how often a client receives the number of dropped messages."""

from typing import Final

from dsmq_nodes.gateways.web.hub_client import HubClient

_EVERY_SEC: Final = 1.0


class ReportedLosses:
    """The number of dropped messages of one kind that a client has received."""

    def __init__(self, client: HubClient) -> None:
        """Begin with none reported."""
        self._client = client
        self._reported, self._reported_sec = 0, 0.0

    def are_news(self, dropped: int) -> bool:
        """Whether to report `dropped` messages now; if so, they count as reported."""
        now_sec = self._client.now_sec()
        if dropped <= self._reported or now_sec < self._reported_sec + _EVERY_SEC:
            return False
        self._reported, self._reported_sec = dropped, now_sec
        return True
