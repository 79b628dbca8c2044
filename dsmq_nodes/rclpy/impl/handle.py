"""The inner side of an rclpy object, which programs may see as `x.handle`."""

from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import InvalidHandle


class InnerHandle:
    """Valid until it is destroyed; `with handle:` raises InvalidHandle after that."""

    def __init__(self) -> None:
        self.is_destroyed = False

    @property
    def pointer(self) -> int:
        """A number that no other living handle has."""
        return id(self)

    def check(self) -> None:
        """Check that it is valid.

        Raises:
            InvalidHandle: it was destroyed.
        """
        if self.is_destroyed:
            raise InvalidHandle

    def destroy_when_not_in_use(self) -> None:
        """Destroy it."""
        self.is_destroyed = True

    def __enter__(self) -> None:
        self.check()

    def __exit__(self, *_: Any) -> None:
        return None
