"""How much of its calls a service or client publishes."""

from enum import IntEnum


class ServiceIntrospectionState(IntEnum):
    """Nothing, who and when, or requests and responses too."""

    OFF = 0
    METADATA = 1
    CONTENTS = 2

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
