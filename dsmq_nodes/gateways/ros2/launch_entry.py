"""`ros2:` in a launch file, which are also all options of the bridge's process."""

import json
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.ros2.bridge_rules import BridgeRules, check_name, is_name
from dsmq_nodes.launcher.file.field_types import wrong
from dsmq_nodes.launcher.file.gateway_entries import GatewayEntry, GatewayProcess, module_argv

NODE: Final = "/ros2_bridge"
_MODULE: Final = "dsmq_nodes.gateways.ros2"


def _name(text: str) -> str:
    try:
        return check_name(text)
    except CommandError as error:
        raise wrong(str(error)) from None


def _prefix(text: str) -> str:
    if text and ("*" in text or not is_name(text)):
        raise wrong(f"prefix {text!r}: write it as '/ros', or '/robot1/ros'")
    return text


_Names = Annotated[list[Annotated[str, AfterValidator(_name)]], Field(max_length=1000)]


class Ros2Entry(GatewayEntry):
    """A bridge to a ROS 2 graph; only named topics and services are carried."""

    ABOUT: ClassVar[str] = (
        "A bridge to a ROS 2 graph: {from_ros: [/scan], to_ros: [/cmd_vel]}. "
        "Only what is named is carried."
    )
    EXTRA: ClassVar[str] = "ros2"
    MODULES: ClassVar[tuple[str, ...]] = ("rclpy",)

    from_ros: _Names = Field(
        default=[], description="Topics of ROS that are published here: [/scan, /robot/*]."
    )
    to_ros: _Names = Field(
        default=[], description="Topics of this graph that are published in ROS: [/cmd_vel]."
    )
    services_from_ros: _Names = Field(
        default=[], description="Services and actions of ROS that can be called here."
    )
    services_to_ros: _Names = Field(
        default=[], description="Services and actions of this graph that can be called in ROS."
    )
    latched: _Names = Field(
        default=[], description="Topics that are latched in ROS, although not here: [/map]."
    )
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="The namespace here of everything from ROS: /ros; empty: the same names."
    )
    domain: int | None = Field(
        None, ge=0, le=232, description="ROS_DOMAIN_ID; default: the environment's."
    )
    discovery: Literal["localhost", "subnet"] | None = Field(
        None,
        description="Where to look for ROS nodes; default: ROS_AUTOMATIC_DISCOVERY_RANGE, "
        "or only this machine.",
    )

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        try:
            self.rules().check()
        except CommandError as error:
            raise wrong(str(error)) from None
        return self

    def rules(self) -> BridgeRules:
        """Return the rules."""
        return BridgeRules(
            from_ros=tuple(self.from_ros),
            to_ros=tuple(self.to_ros),
            services_from_ros=tuple(self.services_from_ros),
            services_to_ros=tuple(self.services_to_ros),
            latched=tuple(self.latched),
            prefix=self.prefix,
        )

    def process(self, directory: Path) -> GatewayProcess:
        """Return the process of this package, which reads the entry as JSON."""
        settings = json.dumps(self.model_dump(exclude_unset=True))
        return GatewayProcess(NODE, module_argv(_MODULE, settings), self.environment())

    def environment(self) -> dict[str, str]:
        """Return the environment variables for ROS that the entry sets."""
        found = {}
        if self.domain is not None:
            found["ROS_DOMAIN_ID"] = str(self.domain)
        if self.discovery is not None:
            found["ROS_AUTOMATIC_DISCOVERY_RANGE"] = self.discovery.upper()
        return found


ENTRY: Final = Ros2Entry
