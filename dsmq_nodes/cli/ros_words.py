"""Words of ros2's command lines that a command here does not have, so that such lines work here.

What has no meaning here, as a daemon or the QoS of a subscription, is passed over. An option of
ros2 may have several values, or none: here it is repeated, or has its usual value.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple

import typer

_ANY: Final = ()  # a value may be anything


class RosWords(NamedTuple):
    """What ros2 takes and a command here does not.

    Attributes:
        flags: options without a value that mean nothing here.
        values: options with a value that mean nothing here, and what the value may be.
        several: options with one value or more, and whether a word is one more.
        usual: options whose value may be missing, and which one it is then.
    """

    flags: Collection[str] = ()
    values: Mapping[str, Collection[str]] = {}
    several: Mapping[str, Callable[[str], bool]] = {}
    usual: Mapping[str, str] = {}


def in_our_words(command: str, words: list[str]) -> list[str]:
    """The words of a command line, as the command takes them.

    Args:
        command: noun and verb, as `topic echo`.
        words: what stands behind them.

    Raises:
        typer.BadParameter: a value is none that ros2 takes.
    """
    known = _WORDS.get(command)
    return words if known is None else list(_translated(known, list(words)))


def _translated(known: RosWords, words: list[str]) -> Iterator[str]:
    while words:
        word = words.pop(0)
        name, is_joined, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word == "--":
            yield from (word, *words)
            return
        if word in known.flags:
            continue
        if name in known.values and (is_joined or words):
            _check(name, value if is_joined else words.pop(0), known.values[name])
            continue
        yield _with_usual(known, word, words)
        if name in known.several and not is_joined:
            yield from _repeated(name, words, known.several[name])


def _with_usual(known: RosWords, word: str, behind: list[str]) -> str:
    has_value = word not in known.usual or (behind and _is_number(behind[0]))
    return word if has_value else f"{word}={known.usual[word]}"


def _repeated(name: str, words: list[str], is_another: Callable[[str], bool]) -> Iterator[str]:
    if words:
        yield words.pop(0)
    while words and is_another(words[0]):
        yield from (name, words.pop(0))


def _check(name: str, value: str, allowed: Collection[str]) -> None:
    if allowed and value not in allowed:
        told = f"{value!r} is none: there is {', '.join(allowed)}"
        raise typer.BadParameter(told, param_hint=name)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_topic(word: str) -> bool:
    return word.startswith("/") and not os.path.exists(word)  # noqa: PTH110  pathlib takes 5 ms


def _is_renaming(word: str) -> bool:
    return ":=" in word


def _is_prefix(word: str) -> bool:
    return not word.startswith(("/", "-"))


_UNSET: Final = ("system_default", "unknown", "best_available")
_QOS: Final = {
    "--qos-profile": (
        *("default", "system_default", "sensor_data", "services_default", "parameters"),
        *("parameter_events", "action_status_default", "best_available", "rosout_default"),
        "unknown",
    ),
    "--qos-history": ("keep_last", "keep_all", *_UNSET),
    "--qos-liveliness": ("automatic", "manual_by_topic", *_UNSET),
    "--qos-liveliness-lease-duration-seconds": _ANY,
}
_QOS_OF_READERS: Final = {
    **_QOS,
    "--qos-depth": _ANY,
    "--qos-reliability": ("reliable", "best_effort", *_UNSET),
    "--qos-durability": ("volatile", "transient_local", *_UNSET),
}
_NO_DAEMON: Final = ("--no-daemon", "--use-sim-time")
_SPIN: Final = {"--spin-time": _ANY}
_GRAPH: Final = RosWords((*_NO_DAEMON, "-s"), _SPIN)
_OF_NODES: Final = RosWords((*_NO_DAEMON, "--include-hidden-nodes"), _SPIN)
_STORAGES: Final = ("mcap", "sqlite3")
_BAG: Final = {
    "--storage": _STORAGES,
    "-s": _STORAGES,
    "--qos-profile-overrides-path": _ANY,
    "--storage-config-file": _ANY,
    "--log-level": ("debug", "info", "warn", "error", "fatal"),
}
_TOPICS: Final = {"--topics": _is_topic, "--exclude-topics": _is_topic}
_WORDS: Final[Mapping[str, RosWords]] = {
    **{f"topic {verb}": _GRAPH for verb in ("list", "info", "type", "find", "bw")},
    "topic echo": RosWords(
        (*_GRAPH.flags, "--no-lost-messages"), {**_SPIN, **_QOS_OF_READERS, "--node-name": _ANY}
    ),
    "topic hz": RosWords((*_NO_DAEMON[:1], "--wall-time"), {**_SPIN, **_QOS_OF_READERS}),
    "topic delay": RosWords(_NO_DAEMON[:1], {**_SPIN, **_QOS_OF_READERS}),
    "topic pub": RosWords(
        _GRAPH.flags,
        {**_SPIN, **_QOS, "--keep-alive": _ANY, "--node-name": _ANY, "-n": _ANY},
    ),
    **{f"node {verb}": _GRAPH for verb in ("list", "info")},
    **{f"service {verb}": _GRAPH for verb in ("list", "info", "type", "call")},
    "service find": RosWords((*_GRAPH.flags, "--include-hidden-services"), _SPIN),
    **{f"action {verb}": _GRAPH for verb in ("list", "info", "type", "find", "send_goal")},
    **{f"param {verb}": _OF_NODES for verb in ("get", "set", "describe", "dump", "load", "delete")},
    "param list": _OF_NODES._replace(several={"--param-prefixes": _is_prefix}),
    **{f"lifecycle {verb}": _OF_NODES for verb in ("get", "set", "list")},
    "lifecycle nodes": RosWords((*_GRAPH.flags, "--all", "-a"), _SPIN),
    "bag info": RosWords(values={"--storage": _STORAGES, "-s": _STORAGES}),
    "bag record": RosWords(
        ("--include-unpublished-topics", "--disable-keyboard-controls"),
        {
            **_BAG,
            **dict.fromkeys(("--storage", "-s"), ("mcap",)),
            **dict.fromkeys(
                (
                    *("--max-cache-size", "--max-cache-duration", "--node-name", "-f"),
                    *("--serialization-format", "--polling-interval", "-p"),
                    *("--compression-queue-size", "--compression-threads"),
                    *("--compression-threads-priority", "--storage-preset-profile"),
                ),
                _ANY,
            ),
            "--compression-mode": ("none", "file", "message"),
        },
        _TOPICS,
    ),
    "bag play": RosWords(
        ("--disable-keyboard-controls", "--disable-loan-message"),
        {**_BAG, "--read-ahead-queue-size": _ANY, "--wait-for-all-acked": _ANY},
        {**_TOPICS, "--remap": _is_renaming, "-m": _is_renaming},
        {"--clock": "40"},
    ),
}
