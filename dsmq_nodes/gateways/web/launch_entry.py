"""`web:` in a launch file, which are also all options of the gateway's process."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import override

from dsmq_nodes.dsmq.loopback import check_exposure
from dsmq_nodes.dsmq.tls_files import check_certificate
from dsmq_nodes.gateways.web.access import TOKEN_VARIABLE
from dsmq_nodes.launcher.file import field_types as fields
from dsmq_nodes.launcher.file.entries import LaunchMapping
from dsmq_nodes.launcher.file.gateway_entries import (
    GatewayEntry,
    GatewayProcess,
    GatewayTopic,
    module_argv,
)

PORT: Final = 8080
NODE: Final = "/web"
MODULE: Final = "dsmq_nodes.gateways.web"

_Port = Annotated[int, Field(ge=0, le=65535)]
_PortOrFalse = Annotated[
    int, Field(ge=0, le=65535), BeforeValidator(lambda value: 0 if value is False else value)
]


class DriveEntry(LaunchMapping):
    """The topic that the dashboard drives, and its greatest speeds."""

    topic: fields.Topic = Field("cmd_vel", description="The topic of the commands.")
    type: Literal["geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"] = Field(
        "geometry_msgs/msg/Twist", description="Its type."
    )
    linear: float = Field(0.5, gt=0, le=100, allow_inf_nan=False, description="Limit, m/s.")
    angular: float = Field(1.5, gt=0, le=100, allow_inf_nan=False, description="Limit, rad/s.")


class StopEntry(LaunchMapping):
    """The message that the STOP button publishes."""

    topic: fields.Topic = Field("emergency_stop", description="The topic.")
    type: str = Field("std_msgs/msg/Bool", description="Its type.")
    msg: dict[str, Any] = Field(default={"data": True}, description="The message.")


class WebEntry(GatewayEntry):
    """The web gateway: dashboard, rosbridge and Foxglove."""

    ABOUT: ClassVar[str] = "A dashboard for browsers, rosbridge and Foxglove: {port: 8080}."
    SHORT: ClassVar[str] = "port"
    EXTRA: ClassVar[str] = "web"
    MODULES: ClassVar[tuple[str, ...]] = ("aiohttp", "cbor2")

    port: _Port = Field(PORT, description="The dashboard's port; 0 takes any free one.")
    host: fields.Host = Field("127.0.0.1", description="The address to listen on.")
    rosbridge: _PortOrFalse = Field(
        9090, description="A separate port for rosbridge; 0 or false: only the path /rosbridge."
    )
    foxglove: _PortOrFalse = Field(
        8765, description="A separate port for Foxglove; 0 or false: only the path /foxglove."
    )
    read_only: bool = Field(default=False, description="Show only; clients cannot change anything.")
    drive: DriveEntry = Field(DriveEntry(), description="What the dashboard drives.")
    stop: StopEntry = Field(StopEntry(), description="What the STOP button publishes.")
    hide: list[str] = Field(default=[], description="Topics that are not shown: [/internal/*].")
    token_file: fields.FilePath | None = Field(
        None, description="A file with the token for users; or set DSMQ_WEB_TOKEN."
    )
    names: list[str] = Field(default=[], description="Further host names that browsers may use.")
    allow_origin: list[str] = Field(
        default=[], description="Pages of other sites that may connect: [https://lab.example]."
    )
    insecure: bool = Field(default=False, description="Listen beyond this machine without a token.")
    tls_cert: fields.FilePath | None = Field(None, description="Certificate: https and wss.")
    tls_key: fields.FilePath | None = Field(None, description="Its private key.")

    def process(self, directory: Path) -> GatewayProcess:
        """Return the process of this package, which reads the entry as JSON."""
        return GatewayProcess(NODE, module_argv(MODULE, json.dumps(self.options(directory))))

    def options(self, directory: Path) -> dict[str, Any]:
        """Return the options that are set, with absolute paths of files."""
        settings = self.model_dump(exclude_unset=True)
        for key in ("token_file", "tls_cert", "tls_key"):
            if settings.get(key) is not None:
                settings[key] = str(directory / settings[key])
        return settings

    @override
    def check_exposure(self, environment: Mapping[str, str]) -> None:
        check_certificate(self.tls_cert, "a certificate", self.tls_key)
        check_exposure(
            self.host,
            is_guarded=bool(self.insecure or self.token_file or environment.get(TOKEN_VARIABLE)),
            lets="drive the robot",
            guard=f"set a token ({TOKEN_VARIABLE} or --token-file)",
        )

    def topics(self) -> Iterator[GatewayTopic]:
        """Yield the topics to drive and to stop that the file sets: a wrong name moves nothing."""
        if "drive" in self.model_fields_set:
            yield GatewayTopic(("drive", "topic"), absolute(self.drive.topic), self.drive.type)
        if "stop" in self.model_fields_set:
            yield GatewayTopic(("stop", "topic"), absolute(self.stop.topic), self.stop.type)


def absolute(topic: str) -> str:
    """Return a topic's name as a node without a namespace resolves it."""
    return topic if topic.startswith("/") else f"/{topic}"


ENTRY: Final = WebEntry
