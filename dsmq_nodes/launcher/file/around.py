"""The settings that groups, includes and copies pass on to the entries inside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dsmq_nodes.graph.parameters.parameter_files import lookup
from dsmq_nodes.launcher.file.composed import Origin
from dsmq_nodes.launcher.file.entries import BaseEntry


@dataclass(frozen=True)
class Around:
    """The settings around an entry."""

    namespace: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    remap: Mapping[str, str] = field(default_factory=dict)
    remaps: Mapping[str, Origin] = field(default_factory=dict)
    process: str | None = None
    is_skipped: bool = False
    files: tuple[Path, ...] = ()

    def within(self, entry: BaseEntry, origin: Origin, index: int | None) -> "Around":
        """Return the settings around the entries of a group or of an included file."""
        raw = mapping_at(origin)
        namespace = entry.namespace
        if index is not None and "$(index)" not in f"{raw.get('namespace')}":
            namespace = f"{namespace}{index}"
        namespace = join(self.namespace, namespace)
        process = self.process if entry.process is None else join(namespace, entry.process)
        return replace(
            self,
            namespace=namespace,
            env={**self.env, **entry.env},
            remap={**self.remap, **entry.remap},
            remaps={**self.remaps, **remaps(entry, origin)},
            process=process,
        )


def mapping_at(origin: Origin) -> dict[str, object]:
    """Return the mapping at a place."""
    found = lookup(origin.document.data, origin.path)
    assert isinstance(found, dict)
    return found


def join(outer: str, inner: str) -> str:
    """Return a namespace or a name within a namespace; an absolute one is unchanged."""
    if inner.startswith("/"):
        return inner.rstrip("/")
    return f"{outer}/{inner}" if inner else outer


def remaps(entry: BaseEntry, origin: Origin) -> dict[str, Origin]:
    """Return the place of each remapping of an entry."""
    return {name: origin.within("remap", name) for name in entry.remap}
