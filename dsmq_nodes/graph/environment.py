"""What the launcher tells a node process, through its environment.

DSMQ_BROKER is the broker's `host:port`, DSMQ_NODE a JSON object with any of the fields below.
Without them every node has its own defaults: `python avoider.py` is the same program.
"""

import os
from typing import Any, ClassVar, Self

import msgspec

from dsmq_nodes.errors import NodeConfigurationError


class NodeEnvironment(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the launch file wants a node; what is None or empty is left to the node."""

    name: str | None = None
    namespace: str | None = None
    rate_hz: float | None = None
    params: dict[str, Any] = {}
    remap: dict[str, str] = {}

    variable: ClassVar[str] = "DSMQ_NODE"

    @classmethod
    def load(cls) -> Self:
        """Read this process's environment.

        Raises:
            NodeConfigurationError: DSMQ_NODE is not the JSON object it should be.
        """
        text = os.environ.get(cls.variable)
        if not text:
            return cls()
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise NodeConfigurationError(f"{cls.variable} in the environment: {error}") from None

    @classmethod
    def take(cls) -> Self:
        """Read it once for this process: the first node made is the one that was meant.

        A second node in the same process shares the remapping and the namespace only.

        Raises:
            NodeConfigurationError: as `load`.
        """
        given = cls.load()
        if given.name or given.params or given.rate_hz:
            rest = cls(namespace=given.namespace, remap=given.remap)
            os.environ.update(rest.dump())
        return given

    def dump(self) -> dict[str, str]:
        """The environment variable that `load` reads."""
        return {self.variable: msgspec.json.encode(self).decode()}
