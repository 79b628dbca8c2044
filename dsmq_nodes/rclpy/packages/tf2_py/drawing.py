"""The tree of frames as a drawing for Graphviz, as tf2 writes it."""

from typing import Final

from dsmq_nodes.tf import Frame

_SHORTEST_NS: Final = 100_000  # tf2 takes no shorter time for a rate
_NS_PER_SEC: Final = 1e9


def drawn(frames: list[Frame], now_ns: int) -> str:
    """Return the text; it contains `now_ns` unless that is 0."""
    lines = ["digraph G {"]
    if not frames:
        return lines[0] + '\n"no tf data recieved"}'  # spelt as there
    lines += [_edge(frame, now_ns) for frame in frames]
    if now_ns:
        children = {frame.name for frame in frames}
        roots = dict.fromkeys(frame.parent for frame in frames if frame.parent not in children)
        lines += [_legend(root, now_ns) for root in roots]
    return "\n".join([*lines, "}"])


def _edge(frame: Frame, now_ns: int) -> str:
    span_ns = frame.newest_ns - frame.oldest_ns
    count = round(frame.rate_hz * span_ns / _NS_PER_SEC) + 1
    rate_hz = count * _NS_PER_SEC / max(span_ns, _SHORTEST_NS)
    newest = f"{frame.newest_ns / _NS_PER_SEC:.6f} "
    if now_ns:
        newest += f"( {(now_ns - frame.newest_ns) / _NS_PER_SEC:.3f} sec old)"
    parts = (
        f"Broadcaster: {frame.broadcaster or 'no recorded authority'}",
        f"Average rate: {rate_hz:.3f} Hz",
        f"Most recent transform: {newest}",
        f"Buffer length: {span_ns / _NS_PER_SEC:.3f} sec",
        "",
    )
    label = "\\n".join(parts)
    return f'"{frame.parent}" -> "{frame.name}"[label="{label}"];'


def _legend(root: str, now_ns: int) -> str:
    return (
        "edge [style=invis];\n"
        ' subgraph cluster_legend { style=bold; color=black; label ="view_frames Result";\n'
        f'"Recorded at time: {now_ns / _NS_PER_SEC:.6f}"[ shape=plaintext ] ;\n'
        f' }}->"{root}";'
    )
