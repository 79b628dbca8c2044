"""Rules and places of a fleet, on a carrier in memory that drops, repeats and delays messages.

Each machine keeps the pure parts of an uplink; what may arrive is said here in another way.
"""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.uplink.cursors import Chain, LogPlace, RemoteCursor, Silences
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules, is_offered_rightly

TOPICS = ["/a", "/a/b", "/r1/a", "/r2/a/b", "/rosout", "/dsmq/graph", "/r1/_hidden/a"]
NAMES = ["", "r1", "r2", "r1x"]
named = st.lists(st.sampled_from([*TOPICS, "/*", "/r*/a"]), max_size=3).map(tuple)
some = st.just(("/*",)) | named


class Message(NamedTuple):
    """A message, and where it was published."""

    machine: int
    topic: str
    epoch: str
    id: int


Arrival = tuple["Machine", str, LogPlace, Message]


class Machine:
    """A machine's rules, its log, and what has come."""

    def __init__(
        self, number: int, name: str, publish: tuple[str, ...], come: tuple[str, ...]
    ) -> None:
        self.number, self.name = number, name
        self.rules = UplinkRules(name=name, publish=publish, subscribe=come)
        self.restarts = 0
        self.logs: dict[str, tuple[int, Chain]] = {}
        self.cursors: dict[tuple[int, str], RemoteCursor[Message]] = {}
        self.silences = Silences()
        self.heard: dict[str, list[Message]] = {}

    @property
    def epoch(self) -> str:
        return f"{self.number}.{self.restarts}"

    def publish(self, topic: str) -> tuple[LogPlace, Message]:
        """Append to the topic's log."""
        last, chain = self.logs.setdefault(topic, (0, Chain()))
        self.logs[topic] = (last + 1, chain)
        place = LogPlace(self.epoch, last + 1, chain.add(last + 1))
        return place, Message(self.number, topic, self.epoch, last + 1)

    def restart(self) -> None:
        """The broker is another one: ids begin again."""
        self.restarts += 1
        self.logs.clear()

    def take(self, topic: str, place: LogPlace, message: Message, now_sec: float) -> None:
        cursor = self.cursors.setdefault((message.machine, topic), RemoteCursor(0, self.silences))
        for each in cursor.take(place, message, now_sec):
            self.heard.setdefault(topic, []).append(each.message)


class Carrier:
    """Brings a message to each machine whose rules let it come."""

    def __init__(self, machines: list[Machine]) -> None:
        self.machines, self.now_sec = machines, 0.0
        self._late: list[Arrival] = []

    def put(self, sender: Machine, topic: str, how: str) -> None:
        place, message = sender.publish(topic)
        self.now_sec += 0.02
        if not sender.rules.may_send(topic):
            return
        fleet_name = sender.rules.fleet_name(topic)
        assert is_offered_rightly(sender.name, fleet_name)
        for machine in self.machines:
            here = machine.rules.topic(fleet_name)
            if machine is sender or not here or not machine.rules.may_receive(here):
                continue
            arrival = (machine, here, place, message)
            if how == "late":
                self._late.append(arrival)
            elif how != "lose":
                self._bring([arrival] * (2 if how == "twice" else 1))
        if how == "send":
            late, self._late = self._late, []
            self._bring(late)

    def _bring(self, arrivals: list[Arrival]) -> None:
        for machine, topic, place, message in arrivals:
            machine.take(topic, place, message, self.now_sec)


def may_arrive(message: Message, topic: str, sender: Machine, reader: Machine) -> bool:
    """The same as the rules, said by names in full."""
    whole = f"/{sender.name}{message.topic}" if sender.name else message.topic
    seen = f"/{reader.name}{topic}" if reader.name else topic
    is_named = [
        any(matches(name, pattern) for pattern in rule)
        for name, rule in (
            (message.topic, sender.rules.publish),
            (topic, reader.rules.subscribe),
        )
    ]
    own = ("/rosout", "/dsmq/graph")
    return whole == seen and all(is_named) and message.topic not in own and topic not in own


def matches(name: str, pattern: str) -> bool:
    if "_hidden" in name:
        return name == pattern
    if pattern == "/r*/a":
        return name.startswith("/r") and name.endswith("/a")
    return pattern in ("/*", name)


machines = st.lists(st.tuples(st.sampled_from(NAMES), some, some), min_size=2, max_size=4)
steps = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "lose", "twice", "late", "restart"]),
        st.integers(0, 3),
        st.sampled_from(TOPICS),
    ),
    max_size=40,
)


@given(machines, steps)
def test_only_what_both_ends_name_arrives_in_order_and_once(
    fleet: list[tuple[str, tuple[str, ...], tuple[str, ...]]], done: list[tuple[str, int, str]]
) -> None:
    made = [Machine(number, *each) for number, each in enumerate(fleet)]
    carrier = Carrier(made)
    for how, number, topic in done:
        sender = made[number % len(made)]
        if how == "restart":
            sender.restart()
            continue
        carrier.put(sender, topic, how)
    for reader in made:
        for topic, heard in reader.heard.items():
            ids: dict[tuple[int, str, str], list[int]] = {}
            for each in heard:
                assert may_arrive(each, topic, made[each.machine], reader)
                ids.setdefault((each.machine, each.topic, each.epoch), []).append(each.id)
            assert all(found == sorted(set(found)) for found in ids.values())


@given(machines, st.integers(0, 3), st.sampled_from(TOPICS))
def test_what_both_ends_name_arrives(
    fleet: list[tuple[str, tuple[str, ...], tuple[str, ...]]], number: int, topic: str
) -> None:
    made = [Machine(each, *what) for each, what in enumerate(fleet)]
    sender = made[number % len(made)]
    Carrier(made).put(sender, topic, "send")
    message = Message(sender.number, topic, sender.epoch, 1)
    whole = f"/{sender.name}{topic}" if sender.name else topic
    for reader in made:
        if reader is sender or (reader.name and not whole.startswith(f"/{reader.name}/")):
            continue
        here = whole.removeprefix(f"/{reader.name}") if reader.name else whole
        came = message in reader.heard.get(here, [])
        assert came == may_arrive(message, here, sender, reader)
