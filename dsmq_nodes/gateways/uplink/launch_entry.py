"""`uplink:` in a launch file, which are also all options of the uplink's process."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Final, NamedTuple, Self

from pydantic import AfterValidator, Field
from typing_extensions import override

from dsmq_nodes.dsmq.loopback import is_loopback
from dsmq_nodes.dsmq.tls_files import check_tls_files
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.uncarried_stop import uncarried_stops
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules
from dsmq_nodes.launcher.file.entries import LaunchMapping
from dsmq_nodes.launcher.file.field_types import FilePath, wrong
from dsmq_nodes.launcher.file.gateway_entries import GatewayEntry, GatewayProcess, module_argv
from dsmq_nodes.tools.graph_model import TopicModel
from dsmq_nodes.topic_names import UPLINK

_MODULE: Final = "dsmq_nodes.gateways.uplink"
_PORT: Final = 7447  # Zenoh's own
_KINDS: Final = ("tcp", "tls", "udp")
_ENDPOINT: Final = re.compile(
    r"^(?:(?P<kind>[a-z]+)/)?(?P<host>\[[^\]]+\]|[^:/#?]+)(?::(?P<port>\d+))?$"
)
is_name: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*").fullmatch

_Names = Annotated[list[str], Field(max_length=1000)]


def _name(text: str) -> str:
    # Not a pattern of the schema: a file may have `$(arg name)` there.
    if is_name(text) is None:
        raise wrong(f"{text!r} is not a name: use letters, digits, _ and -, as in r1")
    return text


_Name = Annotated[str, AfterValidator(_name)]


class RouterEndpoint(NamedTuple):
    """The address where an uplink or a router listens: tls/hub:7447."""

    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.kind}/{self.host}:{self.port}"

    @property
    def is_beyond(self) -> bool:
        """Whether other machines can reach it."""
        return not is_loopback(self.host)


class UplinkTopic(LaunchMapping):
    """The settings of one topic."""

    rate: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Greatest rate of sent messages, Hz."
    )
    resume: int = Field(
        1000, ge=0, le=100_000, description="Number of messages to resend after an outage; 0: none."
    )
    best_effort: bool | None = Field(
        None,
        description="Only new messages count: nothing is resent, and no message waits longer "
        "than 0.5 s. Velocities (Twist, TwistStamped) are of best effort unless this is false.",
    )


class UplinkTls(LaunchMapping):
    """The files that `dsmq-nodes uplink keys` makes."""

    ca: FilePath = Field(description="Certificate of the authority.")
    certificate: FilePath = Field(description="This machine's certificate.")
    key: FilePath = Field(description="Its private key.")


class UplinkEntry(GatewayEntry):
    """An uplink to other machines; only named topics are sent or received."""

    ABOUT: ClassVar[str] = (
        "An uplink to other machines: {as: r1, connect: [hub:7447], publish: [/odom]}. Only "
        "named topics are sent or received."
    )
    EXTRA: ClassVar[str] = "zenoh"
    MODULES: ClassVar[tuple[str, ...]] = ("zenoh",)

    as_: _Name | None = Field(
        None, alias="as", description="This machine's name; without one it has the whole fleet."
    )
    connect: _Names = Field(
        default=[],
        description="Routers or uplinks to connect to: [hub:7447]; one is used, by TCP, or by UDP "
        "if many packets are lost. [tcp/hub:7447], [tls/hub:7447] and [udp/hub:7447] fix the "
        "protocol.",
    )
    listen: _Names = Field(
        default=[], description="Addresses where others connect: [0.0.0.0:7447], by TCP and UDP."
    )
    publish: _Names = Field(default=[], description="Topics to send to others: [/odom, /scan].")
    subscribe: _Names = Field(default=[], description="Topics to receive from others: [/cmd_vel].")
    serve: _Names = Field(
        default=[], description="Services and actions of this machine that others may call."
    )
    call: _Names = Field(
        default=[], description="Services and actions of others that this machine calls."
    )
    topics_: dict[str, UplinkTopic] = Field(
        default={}, alias="topics", description="Settings of topics: {/scan: {rate: 5, resume: 0}}."
    )
    tls: UplinkTls | None = Field(None, description="Certificates, which both ends present.")
    robots: list[_Name] = Field(
        default=[], description="With `listen` and `tls`: machines that get their own name only."
    )
    bases: list[_Name] = Field(
        default=[], description="With `listen` and `tls`: machines with access to the whole fleet."
    )
    insecure: bool = Field(default=False, description="Allow other machines without `tls`.")

    def rules(self) -> UplinkRules:
        """Return the rules."""
        return UplinkRules(
            name=self.as_ or "",
            publish=tuple(self.publish),
            subscribe=tuple(self.subscribe),
            serve=tuple(self.serve),
            call=tuple(self.call),
        )

    def process(self, directory: Path) -> GatewayProcess:
        """Return the process of this package, which reads the entry as JSON."""
        settings = self.beside(directory).model_dump(exclude_unset=True, by_alias=True, mode="json")
        return GatewayProcess(UPLINK, module_argv(_MODULE, json.dumps(settings)))

    def endpoints(self, texts: Iterable[str]) -> list[RouterEndpoint]:
        """Return the endpoints in texts of `connect` or `listen`.

        Raises:
            CommandError: a text is refused; the error says why, and what to write.
        """
        return [self._endpoint(text) for text in texts]

    def listening(self) -> Iterator[RouterEndpoint]:
        """Yield the endpoints of `listen`; one without a kind is for both TCP and UDP.

        Raises:
            CommandError: a text is refused; the error says why, and what to write.
        """
        for text, endpoint in zip(self.listen, self.endpoints(self.listen), strict=True):
            yield endpoint
            if "/" not in text:
                yield endpoint._replace(kind="udp")

    def dialled(self) -> Iterator[tuple[RouterEndpoint, bool]]:
        """Yield the endpoints of `connect`, and whether each is only for a link that loses packets.

        An address without a kind is for TCP and for UDP. A router connects to all of its others at
        once, by TCP.

        Raises:
            CommandError: a text is refused; the error says why, and what to write.
        """
        for text, endpoint in zip(self.connect, self.endpoints(self.connect), strict=True):
            if "/" not in text and endpoint.is_beyond and not self.listen:
                yield endpoint._replace(kind="udp"), True
            yield endpoint, False

    def _endpoint(self, text: str) -> RouterEndpoint:
        found = _ENDPOINT.match(text)
        kind = (found and found["kind"]) or ("tls" if self.tls is not None else "tcp")
        if found is None or kind not in _KINDS:
            raise CommandError(f"{text!r}: write HOST:PORT, or udp/HOST:PORT for UDP alone")
        endpoint = RouterEndpoint(kind, found["host"], int(found["port"] or _PORT))
        if kind == "tls" and self.tls is None:
            raise CommandError(f"{text}: set tls to the certificates that `uplink keys` makes")
        is_plain = kind == "tcp" or self.tls is None
        if is_plain and endpoint.is_beyond and not self.insecure:
            secure = endpoint if kind == "udp" else endpoint._replace(kind="tls")
            raise CommandError(
                f"{text} is on another machine: use {secure} with certificates (`dsmq-nodes "
                "uplink keys`), or insecure in a trusted network"
            )
        return endpoint

    def check_endpoints(self) -> None:
        """Refuse an uplink without connections, or one that any machine could connect to.

        Raises:
            CommandError: the entry is refused; the text says what to write.
        """
        if not self.connect and not self.listen:
            raise CommandError("give the addresses of others (connect), or one for them (listen)")
        self.endpoints([*self.connect, *self.listen])
        if self.tls is None and (self.robots or self.bases):
            raise CommandError(
                "robots and bases are names in certificates: set tls, or leave both out"
            )
        if self.tls is not None and self.listen and not self.robots and not self.bases:
            raise CommandError(
                "set who may connect: robots: [r1, r2] get their own names only, bases: [base] "
                "get the whole fleet; the names are those of the certificates"
            )

    def check_files(self) -> None:
        """Refuse certificates that cannot be read.

        Raises:
            CommandError: a file cannot be read; the text names it.
        """
        for key, path in ({} if self.tls is None else self.tls.model_dump()).items():
            try:
                check_tls_files(path)
                Path(path).read_bytes()
            except OSError as error:
                raise CommandError(
                    f"tls: the {key} {path} cannot be read: {error.strerror or error}"
                ) from None

    @override
    def mistakes(self, directory: Path) -> Iterator[str]:
        """Yield the reasons why the uplink would not start."""
        try:
            self.rules().check()
            self.check_endpoints()
            self.beside(directory).check_files()
        except CommandError as error:
            yield str(error)

    @override
    def brings(self, topic: str) -> bool:
        """Whether another machine may publish a topic here."""
        return self.rules().may_receive(topic)

    @override
    def doubts(self, topics: Iterable[TopicModel]) -> Iterator[str]:
        """Yield warnings about commands that are carried without their emergency stop."""
        return uncarried_stops(self.rules(), topics)

    def beside(self, directory: Path) -> Self:
        """Return the entry with its paths resolved against a directory."""
        if self.tls is None:
            return self
        paths = {name: str(directory / path) for name, path in self.tls.model_dump().items()}
        return self.model_copy(update={"tls": UplinkTls(**paths)})


ENTRY: Final = UplinkEntry
