"""The typed model of a launch file.

An entry of `nodes:` is a node, a group (it has `nodes:`) or an include (it has `include:`). Every
time is in seconds. Parts are validated one by one (compose.py), after their substitutions.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dsmq_nodes.launcher.file import field_types as fields


class LaunchMapping(BaseModel):
    """A mapping in a launch file."""

    # Strict: `port: "80"` and `rate: true` are mistakes, not numbers.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BrokerEntry(LaunchMapping):
    """The broker. Its token, if any, is in the environment: DSMQ_TOKEN."""

    host: fields.Host = Field("127.0.0.1", description="Address that the broker listens on.")
    connect: fields.BrokerAddress | None = Field(
        None, description="Use this broker, HOST:PORT, perhaps of another machine, and start none."
    )
    port: int = Field(30008, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    store: fields.FilePath | None = Field(
        None, description="File that keeps the messages over a restart."
    )
    ttl: fields.Seconds = Field(600.0, description="How many seconds messages are kept.")
    budget: int = Field(
        64, ge=1, le=1 << 20, description="How many MiB of messages are kept at most."
    )
    insecure: bool = Field(default=False, description="Listen beyond this machine without a token.")
    tls_cert: fields.FilePath | None = Field(None, description="Certificate; TCP is then TLS only.")
    tls_key: fields.FilePath | None = Field(None, description="Its private key.")
    tls_client_ca: fields.FilePath | None = Field(
        None, description="The authority that signs the clients' certificates."
    )
    shm: bool = Field(
        default=True, description="Nodes of this machine exchange messages in shared memory."
    )

    @model_validator(mode="after")
    def _starts_none(self) -> Self:
        if self.connect is not None and (others := sorted(self.model_fields_set - {"connect"})):
            raise fields.wrong(
                f"connect starts no broker, so {' and '.join(others)} would have no effect"
            )
        return self


class LogEntry(LaunchMapping):
    """Where processes with `output: log` or `both` write, one file each."""

    folder: fields.FilePath | None = Field(
        None, description="Beside the launch file; default: in the user's state directory."
    )
    max_size: float = Field(10.0, gt=0, le=1e6, allow_inf_nan=False, description="MiB of one file.")
    keep: int = Field(3, ge=0, le=1000, description="How many older files are kept.")


class ArgEntry(LaunchMapping):
    """An argument of the launch file; without a default it must be given."""

    type: Literal["bool", "int", "float", "str"] | None = Field(
        None, description="The type of its value; else that of its default, or of its first choice."
    )
    default: fields.Scalar | None = Field(None, description="Its value when it is not given.")
    choices: list[fields.Scalar] | None = Field(
        None, min_length=1, description="The values that it may have."
    )
    description: str = Field("", description="What it is for.")


class RestartEntry(LaunchMapping):
    """When a process that has ended is started again."""

    policy: Literal["never", "on-failure", "always"] = Field(
        "on-failure", description="always: after exit status 0 too, and it never gives up."
    )
    delay: fields.Seconds = Field(
        1.0, description="The delay before the first restart; it doubles each time."
    )
    max_delay: fields.Seconds = Field(30.0, description="The longest delay.")
    jitter: float = Field(
        0.2, ge=0, le=1, description="The delay varies by this share, up and down."
    )
    max: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="More restarts than this in `window`: FAILED. 5, with always no limit.",
    )
    window: fields.Seconds = Field(60.0, description="Over how many seconds restarts are counted.")


class DependencyEntry(LaunchMapping):
    """A dependency: what to wait for before a node is started."""

    until: fields.Until = Field("ready", description="ready, or topic:/x for its first message.")
    timeout: Annotated[float, Field(gt=0, le=fields.MOST_SEC, allow_inf_nan=False)] = Field(
        30.0, description="The launch fails after this time."
    )


class BaseEntry(LaunchMapping):
    """The keys of every entry of `nodes:`."""

    if_: bool = Field(default=True, alias="if", description="Left out when false.")
    unless: bool = Field(default=False, description="Left out when true.")
    count: fields.Count | None = Field(None, description="How many copies, numbered from 1.")
    namespace: fields.Namespace = Field(
        "", description="Put before names; joined to the outer namespace."
    )
    remap: dict[fields.Topic, fields.Topic] = Field(
        default={}, description="Topics to take another name: {scan: front/scan}."
    )
    env: dict[fields.EnvName, fields.EnvValue] = Field(
        default={}, description="Environment variables of the process."
    )
    process: fields.ProcessName | None = Field(
        None, description="Nodes with the same one share a process of this name."
    )


class NodeEntry(BaseEntry):
    """One node or program, started as one process; with `count` the name is numbered."""

    name: fields.NodeName = Field(description="The node's name.")
    node: fields.NodeSpec | None = Field(None, description="The class to run, as module:Class.")
    exec: fields.Words | None = Field(
        None, description="Or any program, as a list of words; no shell reads them."
    )
    rclpy: bool = Field(
        default=False,
        description="`exec` names a program for rclpy: its file, or a ROS package and executable.",
    )
    rate: fields.Rate | None = Field(None, description="The node's rate in Hz; it is measured.")
    params: fields.Params = Field(default={}, description="Parameters: {gain: 0.5}.")
    params_file: fields.FilePaths = Field(
        default=[], description="YAML files with parameters, ROS 2's too; `params` overrides."
    )
    depends_on: Annotated[dict[fields.NodePath, DependencyEntry], fields.as_dependencies] = Field(
        default={}, description="Start after these: {sim: ready, map: topic:/map}."
    )
    restart: Annotated[RestartEntry, fields.as_restart] = Field(
        RestartEntry(policy="never"), description="never, on-failure, always; or how, in detail."
    )
    required: bool = Field(default=False, description="The launch ends when it ends.")
    output: Literal["screen", "log", "both", "terminal"] = Field(
        "screen",
        description="screen: lines with the node's name; log: a file; both; "
        "terminal: the node draws on it itself.",
    )
    sigterm_timeout: fields.Seconds = Field(5.0, description="From SIGINT to SIGTERM.")
    sigkill_timeout: fields.Seconds = Field(5.0, description="From SIGTERM to SIGKILL.")
    affinity: list[Annotated[int, Field(ge=0, le=4095)]] = Field(
        default=[], description="The CPUs it may run on, from 0."
    )
    nice: int = Field(0, ge=-20, le=19, description="Its niceness; above 0 it yields to others.")
    fork: bool = Field(
        default=True, description="false: an interpreter of its own, not a fork of the launch's."
    )


class GroupEntry(BaseEntry):
    """Several entries together; with `count` the namespace is numbered."""

    nodes: list[object] = Field(
        min_length=1, description="The nodes to start: a list of {name: lidar, node: module:Class}."
    )


class IncludeEntry(BaseEntry):
    """Another launch file's nodes; its broker and log count only when it is launched itself."""

    include: fields.FilePath = Field(
        description="The file, beside this one, or in a Python package: acme_imu/launch/imu.yaml."
    )
    args: dict[str, fields.Scalar] = Field(default={}, description="The included file's arguments.")


class LaunchFile(LaunchMapping):
    """A launch file: a broker and the nodes of one robot."""

    broker: BrokerEntry = Field(
        BrokerEntry(), description="The broker: {port: 30008}, or {connect: HOST:PORT}."
    )
    args: dict[fields.EnvName, object] = Field(
        default={}, description="Arguments: {rate: 10}; `name:=value` on the command line."
    )
    log: LogEntry = Field(LogEntry(), description="Where log files are written.")
    env: dict[fields.EnvName, fields.EnvValue] = Field(
        default={}, description="Environment variables of all processes."
    )
    nodes: list[object] = Field(
        default=[], description="The nodes to start: a list of {name: lidar, node: module:Class}."
    )


ENTRIES: tuple[type[BaseEntry], ...] = (NodeEntry, GroupEntry, IncludeEntry)
