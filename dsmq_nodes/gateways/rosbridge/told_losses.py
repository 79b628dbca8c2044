"""When a client is told how many messages it has missed."""

from typing import Final

from dsmq_nodes.gateways.web.hub_client import HubClient

_EVERY_SEC: Final = 1.0


class ToldLosses:
    """The messages of one kind that a client was told to have missed."""

    def __init__(self, client: HubClient) -> None:
        """It was told of none."""
        self._client = client
        self._told, self._told_sec = 0, 0.0

    def are_news(self, dropped: int) -> bool:
        """Whether to tell now that so many were dropped so far; then it counts as told."""
        now_sec = self._client.now_sec()
        if dropped <= self._told or now_sec < self._told_sec + _EVERY_SEC:
            return False
        self._told, self._told_sec = dropped, now_sec
        return True
