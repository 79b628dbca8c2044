"""The link of a node that a forked process has inherited."""

from typing import Any, NoReturn

from dsmq_nodes.errors import ForkedError
from dsmq_nodes.graph.links.link import Link


class ForkedLink:
    """Refuses all use with an error that explains it; allows closing."""

    why: str

    def _refuse(self, *_args: Any, **_fields: Any) -> NoReturn:
        raise ForkedError(self.why)

    def _do_nothing(self, *_: Any) -> None:
        pass

    def arm(self) -> bool:
        """Nothing comes from a link of the parent."""
        return True

    @property
    def has_graph(self) -> bool:
        """True, as far as is known."""
        return True

    advertise = unadvertise = appender = publish = subscribe = unsubscribe = _refuse
    confirm = attach = _refuse
    set_fault = set_state = detach = drain = close = _do_nothing


def refuse(link: Link, why: str) -> None:
    """Turn a link, which publishers and others hold, into one that refuses all use."""
    forked: Any = link
    forked.__class__ = ForkedLink
    forked.why = why
