"""Parameters of a node: a pydantic model, filled by the launch file."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dsmq_nodes.errors import ParameterError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Parameters(BaseModel):
    """The parameters of a node class: subclass it inside the node, with types and defaults.

    An int is taken for a float; nothing else is converted. An unknown name is an error.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", validate_assignment=True, validate_default=True
    )

    @classmethod
    def load(cls, values: Mapping[str, Any], owner: str) -> Self:
        """The parameters that `values` give, the rest by default.

        Raises:
            ParameterError: a name is unknown or missing, or a value does not fit; all of them.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = "; ".join(
                cls._explain(".".join(map(str, found["loc"])), found)
                for found in error.errors(include_url=False)
            )
            known = ", ".join(cls.model_fields) or "none"
            raise ParameterError(f"parameters of {owner}: {problems} (it has: {known})") from None

    @classmethod
    def _explain(cls, name: str, found: "ErrorDetails") -> str:
        if found["type"] != "extra_forbidden":
            return f"{name}: {found['msg']}, got {found['input']!r:.60}"
        close = difflib.get_close_matches(name, cls.model_fields, 1)
        return f"there is no {name!r}" + (f", did you mean {close[0]!r}?" if close else "")
