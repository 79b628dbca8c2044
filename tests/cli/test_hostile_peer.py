"""Every verb beside a peer that writes escape sequences and nonsense wherever a peer may write."""

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from tests.cli.conftest import Place

EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b2J\u202e[red]\n[FAKE] line\r[FAKE] again"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]|^\\[FAKE\\]", re.MULTILINE)
STAMP = {"sec": 1, "nanosec": 1}
LOG = {"stamp": STAMP, "level": 40, "name": f"n{EVIL}", "msg": EVIL, "file": EVIL}
SCHEMA = {"type": "object", "title": EVIL, "properties": {f"a{EVIL}": {"type": "string"}}}
# Texts that no topic of the kit carries.
NONSENSE: tuple[Any, ...] = (
    EVIL,
    "",
    "{",
    "[]",
    "5",
    "null",
    "[" * 2000,
    '{"transforms": [{"header": 5}], "name": 5, "level": "x", "clock": {"sec": "x"}}',
    '{"clock": {"sec": 1' + "0" * 400 + ', "nanosec": 0}, "header": {"stamp": {"sec": 1e999}}}',
    '{"name": "/\\u001b]0;", "pid": 99999999999999999999, "rate_hz": 1e308, "processes": {}}',
    '{"header": {"stamp": [1]}, "data": "\\ud800"}',
)
TEXTS: dict[str, tuple[Any, ...]] = {
    "/rosout": (json.dumps(LOG), json.dumps({"level": 40, "msg": [1]})),
    "/tf": (
        json.dumps(
            {
                "transforms": [
                    {
                        "header": {"stamp": STAMP, "frame_id": f"a{EVIL}"},
                        "child_frame_id": f"b{EVIL}",
                    },
                    {"header": {"stamp": STAMP, "frame_id": "map"}, "child_frame_id": "base"},
                ]
            }
        ),
    ),
    "/dsmq/nodes": (json.dumps({"name": f"/x{EVIL}", "pid": -5, "last_exception": EVIL}),),
    "/clock": (json.dumps({"clock": STAMP}),),
    "/dsmq/launch/state": (),
    "/diagnostics": (json.dumps({"status": [{"name": EVIL, "message": EVIL}]}),),
    "/t": (json.dumps({f"a{EVIL}": EVIL, "data": EVIL}), json.dumps({"data": "fine"})),
    "/stamped": (json.dumps({"header": {"stamp": STAMP, "frame_id": EVIL}}),),
}
VALUE = {"type": 4, "string_value": EVIL}
DESCRIPTOR = {"name": f"p{EVIL}", "type": 4, "description": EVIL, "additional_constraints": EVIL}
STATE = {"id": 1, "label": EVIL}
STEP = {"transition": STATE, "start_state": STATE, "goal_state": STATE}
ANSWERS: dict[str, dict[str, Any]] = {
    "list_parameters": {"result": {"names": ["p", f"q{EVIL}"], "prefixes": []}},
    "get_parameters": {"values": [VALUE, VALUE]},
    "describe_parameters": {"descriptors": [DESCRIPTOR, DESCRIPTOR]},
    "set_parameters": {"results": [{"successful": False, "reason": EVIL}]},
    "set_logger_levels": {"results": [{"successful": False, "reason": EVIL}]},
    "get_state": {"current_state": STATE},
    "get_available_transitions": {"available_transitions": [STEP]},
    "change_state": {"success": False},
    "any": {f"a{EVIL}": EVIL, "b": [EVIL]},
}
# What a server may answer that is not of its service's type.
WRONG: tuple[dict[str, Any], ...] = (
    {},
    {"result": 5, "values": 5, "descriptors": {}, "results": None, "current_state": []},
    {"result": {"names": 1}, "values": [{"type": 77}], "available_transitions": [1]},
    {"values": [], "descriptors": [], "results": []},
)


class Hostile(contextlib.AbstractContextManager["Hostile"]):
    """A peer that publishes all of it again and again, and answers every call."""

    def __init__(self, port: int) -> None:
        self.is_wrong = False
        self._channel = ClientConnection("127.0.0.1", port, node="/evil")
        self._wrong = itertools.cycle(WRONG)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._advertise("/t", f"pkg/msg/T{EVIL}", SCHEMA)
        self._advertise("/t", "pkg/msg/T", SCHEMA)
        self._advertise("/stamped", "pkg/msg/S", {"properties": {"header": {}}})
        for topic in TEXTS.keys() - {"/t", "/stamped"}:
            self._advertise(topic)
        for name in (*ANSWERS, "act/_action/send_goal", "act/_action/get_result"):
            self._advertise(f"/evil/{name}/_reply", f"pkg/srv/S{EVIL}_Response")
            self._advertise(f"/evil/{name}/_reply", "pkg/srv/S_Response", SCHEMA)
            self._send(action="subscribe", topic=f"/evil/{name}/_request")

    def _advertise(self, topic: str, type_name: str = "", schema: object = None) -> None:
        more = {"schema": schema} if schema else {}
        self._send(action="advertise", topic=topic, type=type_name, **more)

    def _send(self, **fields: Any) -> None:
        self._channel.send(wire.encode_object(fields))

    def _run(self) -> None:
        rounds = (
            (topic, texts[number % len(texts)])
            for number in itertools.count()
            for topic, own in TEXTS.items()
            for texts in [(*own, *NONSENSE)]
        )
        for topic, text in rounds:
            if self._ended.is_set():
                return
            self._send(action="put", topic=topic, message=text, stamp=1, seq=1)
            with contextlib.suppress(TimeoutError):
                self._answer(self._channel.receive(0.02))

    def _answer(self, reply: wire.Reply) -> None:
        if reply.event != "message" or not reply.topic.endswith("/_request"):
            return
        head = json.loads(reply.text or "")
        name = reply.topic.split("/")[2]
        body = next(self._wrong) if self.is_wrong else ANSWERS.get(name, {"accepted": [EVIL]})
        if name == "get_parameters" and not self.is_wrong:
            body = {"values": [VALUE] * len(head["names"])}
        if name == "describe_parameters" and not self.is_wrong:
            body = {"descriptors": [DESCRIPTOR] * len(head["names"])}
        if name == "any" and not self.is_wrong:
            body = {"_error": EVIL}
        message = json.dumps({"_client": head["_client"], "_id": head["_id"], **body})
        self._send(action="put", topic=reply.topic.replace("_request", "_reply"), message=message)

    def __enter__(self) -> "Hostile":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._channel.close()


SHOWN = (
    "topic list -t",
    "topic list -v",
    "topic list -a --json",
    "topic info -v /t",
    "topic info /t --json",
    "topic type /t",
    "topic find pkg/msg/T",
    "topic echo /t -n 12",
    "topic echo /t -n 12 --csv",
    "topic echo /t -n 12 --json",
    "topic echo /t -n 2 --field data",
    "topic echo /diagnostics -n 12",
    "node list -a",
    "node list -v",
    "node info /evil",
    "service list -t",
    "service type /evil/any",
    "service info /evil/any",
    "action list -t",
    "action info /evil/act -t",
    "param list",
    "param dump /evil",
    "param get /evil p",
    "param describe /evil p",
    "param set /evil p x",
    "param delete /evil p",
    "service call /evil/any {}",
    "service call /evil/any {} --json",
    "action send_goal /evil/act {}",
    "lifecycle get",
    "lifecycle list /evil",
    "lifecycle set /evil configure",
    "log -n 3",
    "log -n 3 --json",
    "log /evil --set-level warn",
    "tf tree --wait 1.5",
    "tf echo map base --once --timeout 20",
    "top -n 1",
    "doctor --wait 1",
    "doctor --wait 1 --json",
    "graph",
    "graph --mermaid",
    "graph --dot",
    "graph --svg",
)
ENDLESS = (
    "topic hz /t --sample",
    "topic bw /t --sample",
    "topic delay /stamped --sample",
    "topic delay /stamped --use-sim-time",
    "topic hz /stamped /t",
    "topic delay /stamped",
)


@pytest.fixture
def hostile(own_place: Callable[[], Place]) -> Iterator[tuple[Place, Hostile]]:
    place = own_place()
    with Hostile(place.port) as peer:
        yield place, peer


def test_nothing_of_it_reaches_the_terminal_and_no_tool_dies(
    hostile: tuple[Place, Hostile],
) -> None:
    place, peer = hostile

    def verdict(command: str) -> tuple[str, int, str] | None:
        done = place.run(*command.split(" "))
        return _fault(command, done.returncode, done.stdout + done.stderr)

    with ThreadPoolExecutor(4) as pool:
        faults = [each for each in pool.map(verdict, SHOWN) if each]
        peer.is_wrong = True
        asking = [each for each in SHOWN if re.match("param|service call|action|life|log /e", each)]
        faults += [each for each in pool.map(verdict, asking) if each]
    assert not faults


def test_what_goes_on_goes_on(hostile: tuple[Place, Hostile]) -> None:
    place, _ = hostile
    running = [(each, place.start(*each.split(" "))) for each in ENDLESS]
    for command, each in running:
        if "delay" in command:
            each.wait_for_error()
        else:
            each.wait_for(r"rate|/s from")
    ended = [(command, each.interrupt(), each) for command, each in running]
    faults = [
        _fault(command, status, "\n".join(each.lines) + "".join(each.errors))
        for command, status, each in ended
    ]
    assert not list(filter(None, faults))
    assert [status for _, status, _ in ended] == [0] * len(ENDLESS)


def test_what_is_not_understood_is_counted_and_told(hostile: tuple[Place, Hostile]) -> None:
    place, _ = hostile
    done = place.run("log", "-n", "2")
    assert "skipped a message on /rosout: " in done.stderr
    assert "; others like it are counted\n" in done.stderr


def _fault(command: str, status: int, output: str) -> tuple[str, int, str] | None:
    is_wrong = ACTS.search(output) or "Traceback" in output or status not in {0, 1}
    return (command, status, output[-3000:]) if is_wrong else None
