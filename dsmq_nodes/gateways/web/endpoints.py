"""The websocket protocols of the gateway: a line each."""

from typing import Final

from dsmq_nodes.gateways.web.speaker import WebEndpoint

ENDPOINTS: Final[tuple[WebEndpoint, ...]] = ()
