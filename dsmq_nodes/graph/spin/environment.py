"""The settings that the launcher passes to a node's process, in its environment.

DSMQ_BROKER is the broker's `host:port`. DSMQ_NODE is a JSON object with any of the fields below.
DSMQ_USE_SIM_TIME is used for nodes that set `use_sim_time` neither in their class nor by a
parameter. Without these variables every node has its own defaults: `python avoider.py` runs the
same program.
"""

import json
import os
from typing import Any, ClassVar, Final, Self

import msgspec

from dsmq_nodes.errors import NodeConfigurationError
from dsmq_nodes.json_text import read_loose_json

_SIM_TIME: Final = "DSMQ_USE_SIM_TIME"
_YES_OR_NO: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class NodeEnvironment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A launch file's settings for a node; None and empty values leave the choice to the node."""

    name: str | None = None
    namespace: str | None = None
    rate_hz: float | None = None
    params: dict[str, Any] = {}
    remap: dict[str, str] = {}
    use_sim_time: bool | None = None
    places: dict[str, str] = {}
    """Where parameters are written, by their names with dots: `robot.yaml:12:9`."""

    variable: ClassVar[str] = "DSMQ_NODE"

    @classmethod
    def load(cls) -> Self:
        """Read this process's environment.

        Raises:
            NodeConfigurationError: DSMQ_NODE is not such a JSON object, or DSMQ_USE_SIM_TIME is
                neither yes nor no.
        """
        text = os.environ.get(cls.variable) or "{}"
        try:
            # Not by msgspec, which refuses NaN and infinity.
            given = msgspec.convert(read_loose_json(text), type=cls)
        except ValueError as error:
            raise NodeConfigurationError(f"{cls.variable} in the environment: {error}") from None
        if given.use_sim_time is None:
            given = msgspec.structs.replace(given, use_sim_time=_wants_sim_time())
        return given

    @classmethod
    def take(cls) -> Self:
        """Read the environment, whose settings are for the first node of this process.

        A second node in the same process shares the remapping and the namespace only.

        Raises:
            NodeConfigurationError: see `load`.
        """
        given = cls.load()
        if given.name or given.params or given.rate_hz:
            rest = cls(
                namespace=given.namespace, remap=given.remap, use_sim_time=given.use_sim_time
            )
            os.environ.update(rest.dump())
        return given

    def dump(self) -> dict[str, str]:
        """Return the environment variable that `load` reads."""
        return {self.variable: json.dumps(msgspec.to_builtins(self), separators=(",", ":"))}


def _wants_sim_time() -> bool | None:
    text = os.environ.get(_SIM_TIME)
    if not text:
        return None
    if text.lower() not in _YES_OR_NO:
        raise NodeConfigurationError(
            f"{_SIM_TIME} in the environment is {text!r}: say true or false"
        )
    return _YES_OR_NO[text.lower()]
