"""Information about a bag from its index alone: a large file takes no longer than a small one."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.episode_marks import episodes_of
from dsmq_nodes.printable import one_line

_STORAGES: Final = {".db3": "sqlite3", ".bag": "rosbag_v2"}

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def information(bag: BagSource) -> dict[str, Any]:
    """Information about a bag, for programs; times in nanoseconds, sizes in bytes."""
    messages = len(bag)
    return {
        "files": [str(each) for each in bag.paths],
        "size_bytes": sum(each.stat().st_size for each in bag.paths),
        "storage_id": _storage(bag.paths[0].name),
        "start_ns": bag.start_ns if messages else None,
        "end_ns": bag.end_ns if messages else None,
        "messages": messages,
        "compression": bag.compression(),
        "topics": [
            {
                "topic": each.channel.topic,
                "type": each.channel.type_name,
                "count": each.messages,
                "serialization_format": each.channel.encoding,
                "schema_encoding": each.channel.schema_encoding,
            }
            for each in sorted(bag.raw_counts(), key=lambda each: each.channel.topic)
        ],
        "attachments": [
            {"name": each.name, "size_bytes": len(each.data)} for each in bag.attachments()
        ],
        "episodes": [
            {"task": each.task, "start_ns": each.start_ns, "end_ns": each.end_ns}
            for each in episodes_of(bag)
        ],
        "metadata": [{"name": name, "values": values} for name, values in bag.metadata()],
    }


def _storage(name: str) -> str:
    plain = name.removesuffix(".zstd").removesuffix(".zst")
    return _STORAGES.get(plain[plain.rfind(".") :], "mcap")


def information_lines(bag: BagSource) -> Iterator[str]:
    """Information about a bag, in the form of `ros2 bag info`."""
    found = information(bag)
    yield from _titled("Files:", found["files"])
    yield from _titled("Bag size:", [shown_bytes(found["size_bytes"])])
    yield from _titled("Storage id:", [found["storage_id"]])
    yield from _titled("Compression:", [found["compression"]])
    length_ns = (found["end_ns"] or 0) - (found["start_ns"] or 0)
    yield from _titled("Duration:", [f"{length_ns * 1e-9:.3f}s"])
    for title, time_ns in (("Start:", found["start_ns"]), ("End:", found["end_ns"])):
        yield from _titled(title, [_shown_time(time_ns)])
    yield from _titled("Messages:", [str(found["messages"])])
    topics = [
        f"Topic: {each['topic']} | Type: {each['type'] or 'untyped'} | "
        f"Count: {each['count']} | "
        f"Serialization Format: {each['serialization_format']}"
        for each in found["topics"]
    ]
    yield from _titled("Topic information:", topics or ["none"])
    attached = [
        f"{each['name']} ({shown_bytes(each['size_bytes'])})" for each in found["attachments"]
    ]
    yield from _titled("Attachments:", attached)
    episodes = [
        f"{number} | {(each['start_ns'] - bag.start_ns) * 1e-9:.3f} s | "
        f"{(each['end_ns'] - each['start_ns']) * 1e-9:.3f} s long | {each['task'] or 'no task'}"
        for number, each in enumerate(found["episodes"])
    ]
    yield from _titled("Episodes:", episodes)


def _titled(title: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield f"{title:19}{one_line(line)}"
        title = ""


def shown_bytes(size_bytes: float) -> str:
    """Return a size in a readable unit."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} {_UNITS[-1]}"


def _shown_time(time_ns: int | None) -> str:
    """Return a moment in local time, and in seconds since 1970-01-01 UTC."""
    if time_ns is None:
        return "none"
    sec, rest_ns = divmod(time_ns, 1_000_000_000)
    local = datetime.fromtimestamp(sec).astimezone()
    fraction = f"{rest_ns // 1_000_000:03d}"
    return f"{local:%b %d %Y %H:%M:%S}.{fraction} ({sec}.{rest_ns:09d})"
