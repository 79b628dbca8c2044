"""What is in a bag, from its index alone: as quick for a file of a gigabyte as for a small one."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from dsmq_nodes.bag.reading import Bag

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def information(bag: Bag) -> dict[str, Any]:
    """What is in a bag, for programs; times in nanoseconds, sizes in bytes."""
    return {
        "files": [str(each.path) for each in bag.files],
        "size_bytes": sum(each.path.stat().st_size for each in bag.files),
        "storage_id": "mcap",
        "start_ns": bag.start_ns,
        "end_ns": bag.end_ns,
        "messages": len(bag),
        "compression": bag.files[0].compression(),
        "topics": [
            {
                "topic": each.channel.topic,
                "type": each.channel.type_name,
                "count": each.messages,
                "serialization_format": each.channel.encoding,
                "schema_encoding": each.channel.schema_encoding,
            }
            for each in sorted(bag.counts(), key=lambda each: each.channel.topic)
        ],
        "attachments": [
            {"name": each.name, "size_bytes": len(each.data)} for each in bag.attachments()
        ],
        "metadata": [{"name": name, "values": values} for name, values in bag.metadata()],
    }


def information_lines(bag: Bag) -> Iterator[str]:
    """What is in a bag, as `ros2 bag info` shows it."""
    found = information(bag)
    yield from _titled("Files:", found["files"])
    yield from _titled("Bag size:", [shown_bytes(found["size_bytes"])])
    yield from _titled("Storage id:", [found["storage_id"]])
    yield from _titled("Compression:", [found["compression"]])
    yield from _titled("Duration:", [f"{(found['end_ns'] - found['start_ns']) * 1e-9:.3f}s"])
    for title, time_ns in (("Start:", found["start_ns"]), ("End:", found["end_ns"])):
        yield from _titled(title, [_moment(time_ns)])
    yield from _titled("Messages:", [str(found["messages"])])
    topics = [
        f"Topic: {each['topic']} | Type: {each['type'] or 'untyped'} | "
        f"Count: {'?' if each['count'] is None else each['count']} | "
        f"Serialization Format: {each['serialization_format']}"
        for each in found["topics"]
    ]
    yield from _titled("Topic information:", topics or ["none"])
    attached = [
        f"{each['name']} ({shown_bytes(each['size_bytes'])})" for each in found["attachments"]
    ]
    yield from _titled("Attachments:", attached)


def _titled(title: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield f"{title:19}{line}"
        title = ""


def shown_bytes(size_bytes: float) -> str:
    """A size as people read it."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} {_UNITS[-1]}"


def _moment(time_ns: int) -> str:
    """A moment in local time, and in seconds since 1970-01-01 UTC."""
    if not time_ns:
        return "none"
    sec, rest_ns = divmod(time_ns, 1_000_000_000)
    local = datetime.fromtimestamp(sec).astimezone()
    fraction = f"{rest_ns // 1_000_000:03d}"
    return f"{local:%b %d %Y %H:%M:%S}.{fraction} ({sec}.{rest_ns:09d})"
