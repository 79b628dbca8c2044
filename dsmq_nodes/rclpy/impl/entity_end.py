"""The common base of publishers, subscriptions, clients and services."""

from types import GenericAlias
from typing import Any, ClassVar, Self


class EntityEnd:
    """An entity of a node, with an inner side."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    handle: Any
    event_handlers: Any = ()

    @property
    def logger_name(self) -> str:
        """The name of the node's logger."""
        with self.handle:
            return str(self.handle.get_logger_name())

    def destroy(self) -> None:
        """Destroy it; `Node.destroy_publisher` and its siblings call this."""
        for each in self.event_handlers:
            each.destroy()
        self.handle.destroy_when_not_in_use()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
