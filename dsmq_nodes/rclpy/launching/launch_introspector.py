"""`LaunchIntrospector`: shows the content of a launch description as text."""

from collections.abc import Iterator
from typing import Any


class LaunchIntrospector:
    """Shows launch descriptions: one action a line, in ROS's layout and in this kit's words."""

    def format_launch_description(self, launch_description: Any) -> str:
        """Return the description and its content as a tree."""
        return "\n".join([f"{type(launch_description).__name__}:", *_tree(launch_description)])


def _tree(entity: Any) -> Iterator[str]:
    inner = getattr(entity, "entities", None) or getattr(entity, "actions", None) or ()
    for index, each in enumerate(inner):
        is_last = index == len(inner) - 1
        place = f" at line {each.place.line}" if each.place.line else ""
        yield f"{'└' if is_last else '├'}── {type(each).__name__}{place}"
        for line in _tree(each):
            yield f"{' ' if is_last else '│'}   {line}"
