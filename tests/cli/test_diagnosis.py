"""What `doctor` finds, each fault by itself: pure functions of what was seen."""

import pytest

from dsmq_nodes.announced_qos import AnnouncedQoS, qos_topic
from dsmq_nodes.messages import DiagnosticStatus
from dsmq_nodes.messages.dsmq_msgs import (
    CallbackStatistics,
    LaunchProcess,
    NodeStatistics,
    PublisherStatistics,
    SubscriptionStatistics,
)
from dsmq_nodes.tools.diagnosing.diagnosis import findings
from dsmq_nodes.tools.diagnosing.seen import ERROR, NOTE, WARNING, Finding, Seen, Stamp
from dsmq_nodes.tools.graph_model import (
    BrokerCounters,
    EdgeCounters,
    EndpointModel,
    GraphModel,
    PeerModel,
    SourceCounters,
    TopicCounters,
    TopicModel,
)

SCAN = "sensor_msgs/msg/LaserScan"


def topic(
    name: str, writers: str = "", readers: str = "", type_name: str = SCAN, **more: object
) -> TopicModel:
    ends = [
        [EndpointModel(node=n, type=type_name) for n in names.split()]
        for names in (writers, readers)
    ]
    found = TopicModel(name=name, type=type_name, publishers=ends[0], subscribers=ends[1])
    for field, value in more.items():
        setattr(found, field, value)
    return found


def counted(name: str, messages: int, *edges: EdgeCounters, missed: int = 0) -> TopicCounters:
    return TopicCounters(
        name=name,
        messages=messages,
        missed=missed,
        edges=list(edges),
        publishers=[SourceCounters()],
    )


def seen(
    *topics: TopicModel,
    before: tuple[TopicCounters, ...] = (),
    now: tuple[TopicCounters, ...] = (),
    **more: object,
) -> Seen:
    names = {end.node for each in topics for end in each.ends}
    found = Seen(
        GraphModel(
            peers=[PeerModel(name=name, state="ready") for name in sorted(names)], topics=[*topics]
        ),
        BrokerCounters(at_sec=10.0, topics=list(before)),
        BrokerCounters(at_sec=12.0, topics=list(now)),
    )
    for field, value in more.items():
        setattr(found, field, value)
    return found


def only(found: Seen) -> Finding:
    listed = findings(found)
    assert len(listed) == 1, listed
    return listed[0]


WELL = topic("/scan", "/lidar", "/avoider")
WELL_NODES = ("/lidar", "/avoider")
BEFORE = counted("/scan", 10, EdgeCounters(subscriber="/avoider", delivered=10, depth=5))
NOW = counted("/scan", 30, EdgeCounters(subscriber="/avoider", delivered=30, depth=5))


def test_what_is_well_has_no_finding() -> None:
    assert findings(seen(WELL, before=(BEFORE,), now=(NOW,))) == []
    assert findings(seen()) == []


def test_tools_and_what_everybody_may_leave_unheard_are_no_fault() -> None:
    topics = (topic("/scan", "", "").name, "/rosout", "/tf")
    assert findings(seen(*(topic(name, "", "/avoider") for name in topics[1:]))) == []
    assert findings(seen(topic("/dsmq/x", "", "/avoider"), topic("/a/_reply", "", "/b"))) == []
    tool = TopicModel(name="/scan", subscribers=[EndpointModel(pid=5)])
    assert findings(seen(tool)) == []
    assert findings(seen(topic("/episode", "", "/dsmq/recorder"))) == []


def test_a_topic_that_nobody_publishes() -> None:
    found = only(seen(topic("/scan", "", "/avoider /mapper")))
    assert (found.level, found.kind) == (NOTE, "no publisher")
    assert found.text == "/scan: subscribed by /avoider, /mapper, published by nobody"
    assert set(found.about) == {"/scan", "/avoider", "/mapper"}


@pytest.mark.parametrize("close", ["/robot1/scan", "/scna", "/front/scan"])
def test_a_name_that_nearly_agrees(close: str) -> None:
    found = only(
        seen(topic("/scan", "", "/avoider"), topic(close, "/lidar"), topic("/odom", "/odometry"))
    )
    assert (found.level, found.kind) == (ERROR, "near miss")
    assert found.text.endswith(f"; /lidar publishes {close} [{SCAN}]")
    assert f"remap: {{scan: {close}}}" in found.advice


def test_nobody_means_to_hear_itself() -> None:
    command = topic("/arm/command", "", "/arm")
    assert only(seen(command, topic("/arm/commands", "/arm", ""))).kind == "no publisher"


def test_nobody_means_the_topic_of_another_robot() -> None:
    heard = topic("/r1/joy_vel", "", "/r1/guard")
    own, other = topic("/r1/cmd_vel", "/r1/guard", ""), topic("/r2/cmd_vel", "/r2/guard", "")
    assert {each.kind for each in findings(seen(heard, own, other))} == {"no publisher"}


@pytest.mark.parametrize("services", [[""], ["/_action/send_goal", "/_action/cancel_goal"]])
def test_a_server_that_stands_by(services: list[str]) -> None:
    found = only(seen(*(topic(f"/arm/home{each}/_reply", "/b /a", "/ui") for each in services)))
    assert (found.level, found.kind) == (WARNING, "second server")
    assert found.text == "/arm/home: /a stands by, since /b serves it already"
    assert set(found.about) == {"/arm/home", "/a", "/b"}


def test_of_another_type_it_is_not_the_one() -> None:
    other = topic("/front/scan", "/camera", type_name="sensor_msgs/msg/Image")
    assert only(seen(topic("/scan", "", "/avoider"), other)).kind == "no publisher"


def test_a_publisher_that_has_gone() -> None:
    found = only(seen(topic("/scan", "", "/avoider"), now=(counted("/scan", 812),)))
    assert (found.level, found.kind) == (ERROR, "publisher gone")
    assert "after 812 messages" in found.text


def test_a_topic_that_comes_on_demand_is_no_fault() -> None:
    """As after `topic pub --once /setpoint`, or of a planner that has had few goals."""
    found = only(seen(topic("/setpoint", "", "/motor"), now=(counted("/setpoint", 1),)))
    assert (found.level, found.kind) == (NOTE, "publisher gone")
    few = counted("/goal", 3)
    found = only(seen(topic("/goal", "/planner", "/motor"), before=(few,), now=(few,)))
    assert (found.level, found.kind) == (NOTE, "silent publisher")
    assert found.advice.startswith("That is fine where it comes on demand. ")
    assert "durability='transient_local'" in found.advice  # as of one that published at its start
    none = counted("/goal", 0)
    found = only(seen(topic("/goal", "/planner", "/motor"), before=(none,), now=(none,)))
    assert "transient_local" not in found.advice


def test_types_that_differ_are_told_with_their_difference() -> None:
    fault = "/scan: subscriber '/a' expects ranges: array of number, publisher '/b' sends number"
    found = only(seen(topic("/scan", "/b", "/a", faults=[fault]), before=(BEFORE,), now=(NOW,)))
    assert (found.level, found.kind, found.text) == (ERROR, "type difference", fault)


def test_a_publisher_that_is_silent() -> None:
    found = only(seen(WELL, now=(counted("/scan", 0),)))
    assert (found.level, found.kind) == (NOTE, "silent publisher")
    assert found.text == "/scan: /lidar has published nothing yet"
    found = only(seen(WELL, before=(BEFORE,), now=(BEFORE,)))
    assert found.text == "/scan: nothing comes from /lidar (10 messages earlier)"


def test_a_silence_comes_before_one_that_follows_from_it() -> None:
    level, scan = topic("/level", "/avoider", "/panel"), WELL
    quiet = (counted("/level", 3), counted("/scan", 10))
    found = findings(seen(level, scan, before=quiet, now=quiet))
    assert [each.about[0] for each in found] == ["/scan", "/level"]


def test_a_pressed_emergency_stop_and_who_refuses_commands() -> None:
    stop = topic("/emergency_stop", "/panel", "/pump", type_name="std_msgs/msg/Bool")

    def told(count: int) -> dict[str, NodeStatistics]:
        counters = SubscriptionStatistics(topic="/pump/speed", refused=count)
        return {"/pump": NodeStatistics(name="/pump", subscriptions=[counters])}

    pressed = {"/emergency_stop": 1.7e9}
    assert only(seen(stop, stops=pressed, nodes=told(4), nodes_before=told(4))).level == WARNING
    found = only(seen(stop, stops=pressed, nodes=told(22), nodes_before=told(4)))
    assert (found.level, found.kind) == (ERROR, "emergency stop")
    assert found.text.startswith("/emergency_stop is pressed since 2023-11-1")
    assert found.text.endswith("; /pump refused 18 commands in 2.0 s")
    assert "topic pub --once /emergency_stop std_msgs/msg/Bool '{data: false}'" in found.advice


@pytest.mark.parametrize(
    ("offered", "requested", "said"),
    [
        (AnnouncedQoS(2, 2, 0, 1), None, "it is best effort, the subscription asks for reliable"),
        (
            None,
            AnnouncedQoS(1, 1, 0, 1),
            "it is volatile, the subscription asks for transient local",
        ),
        (AnnouncedQoS(2, 2, 0, 1), AnnouncedQoS(2, 2, 0, 1), ""),
    ],
)
def test_a_callback_that_is_silent_because_of_qos(
    offered: AnnouncedQoS | None, requested: AnnouncedQoS | None, said: str
) -> None:
    of_rclpy = [topic(f"{node}/get_type_description/_reply", node) for node in WELL_NODES]
    told = [
        topic(qos_topic(kind, "/scan", qos), node)
        for kind, qos, node in zip(
            ("publisher", "subscription"), (offered, requested), WELL_NODES, strict=True
        )
        if qos is not None
    ]
    found = findings(seen(WELL, *of_rclpy, *told, before=(BEFORE,), now=(NOW,)))
    assert [each.text for each in found] == (
        [f"/scan: /avoider gets nothing from /lidar: {said}"] if said else []
    )
    assert findings(seen(WELL, *told, before=(BEFORE,), now=(NOW,))) == []  # not of rclpy: unknown


def test_a_node_that_has_ended_is_no_part_that_hangs() -> None:
    gone = DiagnosticStatus(level=3, name="/panel", message="no statistics for 10 s")
    hangs = DiagnosticStatus(level=3, name="/lidar", message="no statistics for 10 s")
    parts = [("/dsmq/launch", gone), ("/dsmq/launch", hangs)]
    said = "Lidar.tick has blocked the node for 1 s and stands at a.py:7"
    found = only(seen(WELL, before=(BEFORE,), now=(NOW,), statuses=parts, blocked={"/lidar": said}))
    assert found.text == f"/lidar: no statistics for 10 s; {said}"
    assert found.advice == "dsmq-nodes node log /lidar"
    assert "/lidar" in found.about


def test_a_node_that_tells_nothing_hangs() -> None:
    said = "Lidar.tick has blocked the node for 1 s and stands at a.py:7"
    found = only(
        seen(WELL, before=(BEFORE,), now=(NOW,), silent=["/lidar"], blocked={"/lidar": said})
    )
    assert (found.level, found.about) == (ERROR, ("/lidar",))
    assert found.text == f"/lidar has told nothing for 10 s: it hangs; {said}"


def test_a_callback_that_blocks_is_named_while_it_does() -> None:
    slow = EdgeCounters(subscriber="/avoider", delivered=20, dropped=17, depth=5, lag=4)
    said = "Avoider.on_scan has blocked the node for 1 s and stands at a.py:7"
    blocked = {"/avoider": said}
    found = only(seen(WELL, before=(BEFORE,), now=(counted("/scan", 37, slow),), blocked=blocked))
    assert found.text.endswith(f"; {said}")


def test_a_latched_topic_may_be_silent_and_what_the_broker_missed_counts() -> None:
    latched = topic("/map", "/mapper", "/planner", latched=True)
    count = counted("/map", 1)
    assert findings(seen(latched, before=(count,), now=(count,))) == []
    fast = counted("/scan", 10, *BEFORE.edges, missed=500)
    assert findings(seen(WELL, before=(BEFORE,), now=(fast,))) == []


def test_a_lifecycle_node_that_is_not_active() -> None:
    def told(count: int) -> dict[str, NodeStatistics]:
        publisher = PublisherStatistics(topic="/scan", suppressed=count)
        return {"/lidar": NodeStatistics(name="/lidar", publishers=[publisher])}

    quiet = counted("/scan", 0)
    found = only(seen(WELL, before=(quiet,), now=(quiet,), nodes=told(40), nodes_before=told(20)))
    assert (found.level, found.kind) == (ERROR, "inactive publisher")
    assert found.advice == "dsmq-nodes lifecycle set /lidar activate"
    gone = seen(WELL, before=(quiet,), now=(quiet,), nodes=told(40), nodes_before=told(20))
    gone.graph.peers = [PeerModel(name=name, state="finalized") for name in WELL_NODES]
    found = only(gone)
    assert found.advice.startswith("It is finalized, for good: `dsmq-nodes node restart /lidar`")


def test_a_reader_that_is_too_slow_with_its_numbers() -> None:
    slow = EdgeCounters(subscriber="/avoider", delivered=20, dropped=17, depth=5, lag=4)
    busy = CallbackStatistics(name="Avoider.on_scan", longest_sec=0.25)
    nodes = {"/avoider": NodeStatistics(name="/avoider", callbacks=[busy])}
    found = only(seen(WELL, before=(BEFORE,), now=(counted("/scan", 37, slow),), nodes=nodes))
    assert (found.level, found.kind) == (WARNING, "slow reader")
    assert found.text == (
        "/scan: /avoider is too slow for it: 17 messages dropped in 2.0 s, 10 delivered "
        "(depth 5, lag 4); its callback Avoider.on_scan takes up to 250 ms"
    )


def test_drops_that_only_the_reader_sees_and_messages_that_do_not_fit() -> None:
    def told(dropped: int, invalid: int) -> dict[str, NodeStatistics]:
        counters = SubscriptionStatistics(
            topic="/scan", type=SCAN, dropped=dropped, invalid=invalid
        )
        return {"/avoider": NodeStatistics(name="/avoider", subscriptions=[counters])}

    found = findings(
        seen(WELL, before=(BEFORE,), now=(NOW,), nodes=told(8, 3), nodes_before=told(5, 2))
    )
    assert [each.kind for each in found] == ["wrong message", "slow reader"]
    assert "3 messages dropped" in found[1].text
    assert found[0].text == f"/scan: 1 message did not fit the type {SCAN} of /avoider"


def test_a_reader_that_is_stuck() -> None:
    stuck = EdgeCounters(subscriber="/avoider", delivered=10, depth=5, lag=20)
    found = only(seen(WELL, before=(BEFORE,), now=(counted("/scan", 30, stuck),)))
    assert (found.level, found.kind) == (ERROR, "stuck reader")
    assert "20 messages wait for it" in found.text
    assert "a callback blocks it" in found.advice


def test_a_reader_that_nothing_spins() -> None:
    stuck = EdgeCounters(subscriber="/avoider", delivered=10, depth=5, lag=20)
    unspun = seen(WELL, before=(BEFORE,), now=(counted("/scan", 30, stuck),))
    next(each for each in unspun.graph.peers if each.name == "/avoider").state = "starting"
    assert "its program calls neither `run` nor `spin`" in only(unspun).advice


@pytest.mark.parametrize(
    ("stamp", "kind", "said"),
    [
        (Stamp(100.0, 103.0, 103.0), "stale stamp", "3.0 s older than their publishing"),
        (Stamp(104.0, 103.0, 103.0), "stale stamp", "1.0 s newer than their publishing"),
        (Stamp(100.0, 100.0, 100.0, 5.0), "stale stamp", "95.0 s newer than /clock"),
        (Stamp(0.0, 103.0, 103.0), "no stamp", "are not set"),
        (Stamp(100.0, 100.0, 97.0), "clock offset", "3.0 s ahead of this one"),
        (Stamp(100.0, 100.0, 109.0), "clock offset", "9.0 s behind this one"),
    ],
)
def test_stamps_and_clocks_that_are_off(stamp: Stamp, kind: str, said: str) -> None:
    found = only(seen(WELL, before=(BEFORE,), now=(NOW,), stamps={"/scan": stamp}))
    assert (found.level, found.kind) == (WARNING, kind)
    assert said in found.text


@pytest.mark.parametrize(
    "stamp", [Stamp(99.9, 100.0, 100.01), Stamp(None, 0.0, 100.0), Stamp(5.0, 100.0, 100.0, 5.1)]
)
def test_stamps_that_are_well(stamp: Stamp) -> None:
    assert findings(seen(WELL, before=(BEFORE,), now=(NOW,), stamps={"/scan": stamp})) == []


def test_a_callback_that_raises() -> None:
    nodes = {"/a": NodeStatistics(name="/a", exceptions=3, last_exception="KeyError: 'x'")}
    before = {"/a": NodeStatistics(name="/a", exceptions=1)}
    found = only(seen(nodes=nodes, nodes_before=before))
    assert (found.level, found.kind) == (ERROR, "exception")
    assert found.text == "/a: 2 exceptions in its callbacks, the last one KeyError: 'x'"


def test_a_device_that_is_gone_is_told_with_its_node() -> None:
    gone = DiagnosticStatus(level=2, name="arm: bus", message="/dev/ttyACM0 is gone")
    well = DiagnosticStatus(level=0, name="arm: bus", message="ok")
    stale = DiagnosticStatus(level=3, name="arm: gripper", message="no answer")
    found = only(seen(statuses=[("/left/arm", gone), ("/left/arm", stale), ("/right/arm", well)]))
    assert found[:3] == (ERROR, "faulty part", ("/left/arm",))
    assert found.text == "/left/arm: bus: /dev/ttyACM0 is gone"
    assert only(seen(statuses=[("/arm", stale)])).level == WARNING


def test_a_node_that_died_and_one_that_is_lost() -> None:
    died = LaunchProcess(
        name="lidar", nodes=["/lidar"], state="failed", restarts=1, last_end="killed by SIGKILL"
    )
    found = only(seen(processes=[died]))
    assert (found.level, found.kind) == (ERROR, "dead node")
    assert found.text == "lidar does not run (failed: killed by SIGKILL), after 1 restart"
    lost = LaunchProcess(name="lidar", nodes=["/lidar"], state="ready", pid=7)
    assert only(seen(processes=[lost])).kind == "lost node"
    assert findings(seen(WELL, before=(BEFORE,), now=(NOW,), processes=[lost])) == []
    ended = LaunchProcess(name="once", nodes=["/once"], state="finished")
    assert findings(seen(processes=[ended])) == []


def test_the_worst_comes_first() -> None:
    died = LaunchProcess(name="x", state="failed")
    stale = {"/scan": Stamp(1.0, 100.0, 100.0)}
    found = findings(seen(WELL, before=(BEFORE,), now=(NOW,), processes=[died], stamps=stale))
    assert [each.level for each in found] == [ERROR, WARNING]


@pytest.mark.parametrize(
    ("clock_sec", "said"),
    [
        (100.0, "the clock of this machine says 1970-01-01: it is not set"),
        (2.3e9, "the clock of this machine says 2042-11-19: stamps cannot say more than 2038-"),
    ],
)
def test_a_clock_that_is_not_set(clock_sec: float, said: str) -> None:
    found = only(seen(clock_sec=clock_sec))
    assert (found.level, found.kind) == (WARNING, "clock not set")
    assert said in found.text


def test_a_clock_that_was_set_back_is_told_once_a_machine() -> None:
    nodes = {name: NodeStatistics(name=name, clock_set_back_sec=3600.01) for name in ("/a", "/b")}
    found = only(seen(nodes=nodes, clock_sec=1.7e9))
    assert (found.kind, found.about) == ("clock set back", ("/a", "/b"))
    assert found.text.startswith("the clock of /a, /b was set back by 3600.0 s")


@pytest.mark.parametrize(
    ("way_sec", "said"),
    [(0.3, ""), (-0.01, ""), (1.5, "1.5 s behind this one"), (-60.0, "60.0 s ahead of this one")],
)
def test_the_clock_of_a_node_is_off_whatever_it_publishes(way_sec: float, said: str) -> None:
    found = findings(seen(transits_sec={"/a": way_sec}))
    assert [each.text for each in found] == ([f"the clock of /a is {said}"] if said else [])


def test_messages_that_are_older_than_their_lifespan() -> None:
    def node(late: int) -> dict[str, NodeStatistics]:
        subscription = SubscriptionStatistics(topic="/scan", late=late)
        return {"/avoider": NodeStatistics(name="/avoider", subscriptions=[subscription])}

    assert not findings(seen(nodes=node(3), nodes_before=node(3)))
    found = only(seen(nodes=node(5), nodes_before=node(3)))
    assert (found.kind, found.about) == ("late messages", ("/scan", "/avoider"))
    assert "2 messages came too late to /avoider" in found.text
