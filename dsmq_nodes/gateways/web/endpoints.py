"""The websocket protocols of the gateway, one on each line."""

from typing import Final

from dsmq_nodes.gateways.foxglove.foxglove_client import ORIGINS, SUBPROTOCOLS, open_foxglove
from dsmq_nodes.gateways.rosbridge.rosbridge_client import open_rosbridge
from dsmq_nodes.gateways.web.speaker import WebEndpoint

ENDPOINTS: Final[tuple[WebEndpoint, ...]] = (
    WebEndpoint("rosbridge", "/rosbridge", 9090, open_rosbridge),
    WebEndpoint("foxglove", "/foxglove", 8765, open_foxglove, SUBPROTOCOLS, ORIGINS),
)
