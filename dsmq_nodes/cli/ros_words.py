"""Words of ros2's command lines that a command here lacks, so that such lines work here too.

A word without a meaning here, such as a daemon or the QoS of a subscription, is ignored. An option
of ros2 may have several values, or none: here it is repeated, or gets its default. Commands and
options whose work is done in another way here are answered with that way.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple

import typer

_ANY: Final = ()  # a value may be anything


class RosWords(NamedTuple):
    """Words that ros2 accepts and a command here does not.

    Attributes:
        flags: options without a value that have no meaning here.
        values: options with a value that have no meaning here, and the permitted values.
        several: options with one or more values, and a check whether a word is one more.
        usual: options whose value may be missing, with the default for that case.
        renamed: options with another name here.
    """

    flags: Collection[str] = ()
    values: Mapping[str, Collection[str]] = {}
    several: Mapping[str, Callable[[str], bool]] = {}
    usual: Mapping[str, str] = {}
    renamed: Mapping[str, str] = {}


def in_our_words(command: str, words: list[str]) -> list[str]:
    """Return the words of a command line as the command here accepts them.

    Args:
        command: noun and verb, such as `topic echo`.
        words: the words after them.

    Raises:
        typer.BadParameter: ros2 does not accept a value.
    """
    known = _WORDS.get(command)
    return words if known is None else list(_translated(known, list(words)))


def done_otherwise(command: str, words: list[str]) -> str:
    """Return how to do here what a ros2 command, or one of its options, does; "" for all others.

    Args:
        command: noun and verb, or a noun alone.
        words: the words after them.
    """
    if command in _OTHERWISE:
        return f"`{command}` of ROS is not here: {_OTHERWISE[command]}"
    options = _OPTIONS_OTHERWISE.get(command, {})
    before = words[: words.index("--")] if "--" in words else words
    given = [word.partition("=")[0] for word in before]
    found = next((word for word in given if word in options), "")
    return f"{found} of ROS is not here: {options[found]}" if found else ""


def _translated(known: RosWords, words: list[str]) -> Iterator[str]:
    while words:
        word = words.pop(0)
        name, is_joined, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word == "--":
            yield from (word, *words)
            return
        if word in known.flags:
            continue
        word = known.renamed.get(word, word)
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
        fault = f"{value!r} is none: there is {', '.join(allowed)}"
        raise typer.BadParameter(fault, param_hint=name)


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
_JQ: Final = "`dsmq-nodes topic echo --json TOPIC` prints lines for jq"
_REPORT: Final = "doctor looks at the running graph; `dsmq-nodes --version` tells the installation"
_SERVICES: Final = "name their topics: `dsmq-nodes bag record SERVICE/_request SERVICE/_reply`"
_OTHERWISE: Final = {
    "component": "nodes of a launch file that have the same `process: NAME` share a process",
    "daemon": "there is no daemon; the broker knows the graph",
    "multicast": "there is no multicast; `dsmq-nodes doctor` lists the brokers of this machine",
    "pkg": "`dsmq-nodes run PACKAGE` lists the executables of a ROS package",
    "security": "tokens and TLS protect a broker: `dsmq-nodes docs security`",
    "wtf": "it is called `dsmq-nodes doctor`",
    "node kill": "`dsmq-nodes node stop NAME` ends a node of the launch",
    "bag burst": "`dsmq-nodes bag play BAG --rate 0` is as fast as the readers take it",
    "bag list": "there are no plugins; `dsmq-nodes bag info BAG` reads bags of every kind",
    "bag reindex": "`dsmq-nodes bag repair BAG` saves its messages in a new file",
    "service echo": "`dsmq-nodes topic echo SERVICE/_request`, and SERVICE/_reply, shows it",
}
_OPTIONS_OTHERWISE: Final[Mapping[str, Mapping[str, str]]] = {
    "doctor": dict.fromkeys(("--report", "-r", "--report-failed", "-rf"), _REPORT),
    "topic echo": {
        "--filter": _JQ,
        **dict.fromkeys(("--raw",), "messages are texts: --json prints them as they are"),
        **dict.fromkeys(
            ("--include-message-info", "-i"), "`dsmq-nodes bag record` keeps the times of messages"
        ),
    },
    "topic hz": {"--filter": _JQ},
    "param dump": {"--output-dir": "it prints: `> FILE` keeps that"},
    "param list": {"--filter": "it prints a line each: `| grep` chooses"},
    "bag convert": dict.fromkeys(
        ("-i", "--input", "--output-options"),
        "write `dsmq-nodes bag convert BAG -o NAME --to FORM`",
    ),
    "bag record": {
        "--snapshot-mode": "`dsmq-nodes launch FILE --record ring=60s` keeps the last minute",
        **dict.fromkeys(("--all-services", "--all-actions"), "--all records them too, as topics"),
        "--services": _SERVICES,
        "--actions": "name its topics, or all by `--regex '.*/ACTION/_action/.*'`",
        **dict.fromkeys(
            ("--exclude-services", "--exclude-actions"),
            "--exclude-topics leaves them out by their topics",
        ),
        "--topic-types": "`dsmq-nodes topic find TYPE` names the topics of a type",
        "--exclude-topic-types": "`dsmq-nodes topic find TYPE` names the topics of a type",
        "--no-discovery": "topics that are named are recorded when they come, others are not",
    },
}
_WORDS: Final[Mapping[str, RosWords]] = {
    **{f"topic {verb}": _GRAPH for verb in ("list", "info", "type", "find", "bw")},
    "topic echo": RosWords(
        (*_GRAPH.flags, "--no-lost-messages", "--clear", "-c"),
        {**_SPIN, **_QOS_OF_READERS, "--node-name": _ANY},
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
    **{
        f"param {verb}": _OF_NODES._replace(values={**_SPIN, "--timeout": _ANY})
        for verb in ("get", "set", "describe", "dump", "load", "delete")
    },
    "param list": _OF_NODES._replace(several={"--param-prefixes": _is_prefix}),
    **{f"lifecycle {verb}": _OF_NODES for verb in ("get", "set", "list")},
    "lifecycle nodes": RosWords((*_GRAPH.flags, "--all", "-a"), _SPIN),
    "bag info": RosWords(values={"--storage": _STORAGES, "-s": _STORAGES}),
    "bag record": RosWords(
        (
            *("--include-unpublished-topics", "--include-hidden-topics"),
            "--disable-keyboard-controls",
        ),
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
        renamed={"--all-topics": "--all"},
    ),
    "bag play": RosWords(
        ("--disable-keyboard-controls", "--disable-loan-message"),
        {**_BAG, "--read-ahead-queue-size": _ANY, "--wait-for-all-acked": _ANY},
        {**_TOPICS, "--remap": _is_renaming, "-m": _is_renaming},
        {"--clock": "40"},
    ),
}
