"""Uplinks between brokers of this machine: what goes, what comes, and what outages do."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import ActionClient, ActionServer, Client, EmergencyStop, QoSProfile
from dsmq_nodes.messages import Action, Header, Int64, LaserScan, Message, String, Time, Twist
from dsmq_nodes.messages.rcl_interfaces_srv import GetParameters
from dsmq_nodes.messages.std_srvs import SetBool
from dsmq_nodes.tools import service_calls
from dsmq_nodes.tools.session import Session
from tests.gateways.uplink.fleet import (
    Fleet,
    Listener,
    Machine,
    Talker,
    assert_whole,
    command,
    numbers,
    pair,
)
from tests.support.programs import Running
from tests.support.reserved import free_port

pytest.importorskip("zenoh")

LATCHED = QoSProfile(depth=1, durability="transient_local")


def test_named_topics_go_and_come_and_no_others(fleet: Fleet) -> None:
    robot, base = pair(
        fleet,
        ["--publish", "/odom", "--subscribe", "/goal"],
        ["--subscribe", "/r*/odom", "--subscribe", "/r1/secret", "--publish", "/r*/goal"],
    )
    odom, secret = Talker(fleet, robot, "/odom"), Talker(fleet, robot, "/secret")
    goal = Talker(fleet, base, "/r1/goal")
    heard = fleet.listen(base, Int64, "/r1/odom")
    not_heard = fleet.listen(base, Int64, "/r1/secret")
    commanded = fleet.listen(robot, Int64, "/goal")
    fleet.until(lambda: len(heard.got) > 50 and len(commanded.got) > 50, "both topics")
    for talker in (odom, secret, goal):
        talker.stop()
    fleet.until(lambda: numbers(heard)[-1] == odom.count - 1, "the last")
    fleet.until(lambda: numbers(commanded)[-1] == goal.count - 1, "the last")
    assert_whole(heard, odom)
    assert_whole(commanded, goal)
    assert not not_heard.got
    assert robot.uplink is not None
    robot.uplink.wait_for("/goal comes from a base")


def test_a_topic_goes_only_while_somebody_far_away_reads_it(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--publish", "/odom"], ["--subscribe", "/r*/odom"])
    Talker(fleet, robot, "/odom")
    fleet.until(lambda: "/r1/odom" in base.status()["coming"], "the offer")
    assert robot.status()["going"]["/odom"]["sent"] == 0
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: heard.got, "a message")
    fleet.forget(heard.node)
    fleet.until(lambda: not robot.status()["going"]["/odom"]["wanted"], "the end of demand")


def test_a_late_reader_gets_what_is_latched_and_types_are_compared(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--publish", "/map"], ["--subscribe", "/r*/map"])
    node = fleet.node("mapper", robot)
    publisher = node.create_publisher(String, "/map", LATCHED)
    publisher.publish(String(data="old"))
    publisher.publish(String(data="new"))
    fleet.until(lambda: "/r1/map" in base.status()["coming"], "the offer")
    late = fleet.listen(base, String, "/r1/map", LATCHED)
    fleet.until(lambda: late.got, "the map")
    assert [msg.data for msg in late.got] == ["new"]
    other = fleet.listen(base, Int64, "/r1/map", LATCHED)
    fleet.spin_for(0.5)
    assert not other.got


def test_services_and_actions_answer_over_the_uplink(fleet: Fleet) -> None:
    robot, base = pair(
        fleet,
        ["--serve", "/set", "--serve", "/count"],
        ["--call", "/r*/set", "--call", "/r*/count"],
    )
    server = fleet.node("server", robot)
    server.create_service(SetBool, "/set", _answer)
    ActionServer(server, Count, "/count", _count)
    caller = fleet.node("caller", base)
    client = caller.create_client(SetBool, "/r1/set")
    action = ActionClient(caller, Count, "/r1/count")
    fleet.until(client.service_is_ready, "the service")
    for number in range(20):
        assert fleet.run(_call(client, bool(number % 2))) == bool(number % 2)
    fleet.until(action.server_is_ready, "the action")
    feedback: list[int] = []
    # The first goal's feedback may be published before the other machine wants it.
    fleet.until(
        lambda: fleet.run(_reach(action, 3, feedback)) == 3 and feedback[-3:] == [0, 1, 2],
        "feedback",
    )


def test_the_first_call_of_a_tool_is_carried_and_none_twice(fleet: Fleet) -> None:
    robot, base = pair(
        fleet,
        ["--serve", "/set", "--publish", "/set"],
        ["--call", "/r*/set", "--subscribe", "/r*/set"],
    )
    talker = fleet.node("talker", robot)
    talker.create_publisher(Int64, "/set", 10)  # a topic of the service's name, which ends before
    fleet.until(lambda: "/r1/set" in base.status()["coming"], "the topic")
    asked: list[bool] = []

    def answer(request: SetBool.Request) -> SetBool.Response:
        asked.append(request.data)
        return _answer(request)

    fleet.node("server", robot).create_service(SetBool, "/set", answer)
    fleet.until(lambda: "/r1/set/_reply" in base.status()["coming"], "the service")
    fleet.forget(talker)
    fleet.until(lambda: not base.status()["coming"]["/r1/set"]["from"], "the topic's end")
    for data in (True, False, True):
        with Session(base.address) as session:  # as each command has one
            body = SetBool.Request(data=data).to_json()
            called = asyncio.to_thread(service_calls.call, session, "/r1/set", body)
            assert fleet.run(called)["success"] is data
    assert asked == [True, False, True]


async def _call(client: Client[Any, Any], value: bool) -> bool:
    response = await client.call_async(SetBool.Request(data=value))
    return bool(response.success)


async def _reach(action: "ActionClient[Any, Any, Any]", order: int, feedback: list[int]) -> int:
    handle = await action.send_goal_async(
        Count.Goal(order=order), lambda msg: feedback.append(msg.feedback.at)
    )
    assert handle.accepted
    result = await handle.get_result_async()
    return int(result.result.total)


class Count(Action, type_name="test_msgs/action/Count"):
    class Goal(Message):
        order: int

    class Result(Message):
        total: int = 0

    class Feedback(Message):
        at: int = 0


def _answer(request: SetBool.Request) -> SetBool.Response:
    return SetBool.Response(success=request.data, message="far away")


def _count(handle: Any) -> Count.Result:
    for number in range(handle.request.order):
        handle.publish_feedback(Count.Feedback(at=number))
    handle.succeed()
    return Count.Result(total=handle.request.order)


def test_a_rate_thins_a_topic_and_best_effort_resumes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    where = f"127.0.0.1:{free_port()}"
    settings = "topics: {/odom: {rate: 10, resume: 0}, /pose: {best_effort: true}}"
    topics = "publish: [/odom, /pose, /cmd_vel]"
    (tmp_path / "robot.yaml").write_text(
        f"uplink: {{as: r1, connect: ['{where}'], {topics}, {settings}}}"
    )
    robot = fleet.machine(str(tmp_path / "robot.yaml"))
    (tmp_path / "base.yaml").write_text(
        f"uplink: {{listen: ['{where}'], subscribe: ['/r*/*'], "
        "topics: {/r1/pose: {best_effort: true}}}"
    )
    base = fleet.machine(str(tmp_path / "base.yaml"))
    for topic in ("/odom", "/pose"):
        Talker(fleet, robot, topic, 100.0)
    heard, posed = fleet.listen(base, Int64, "/r1/odom"), fleet.listen(base, Int64, "/r1/pose")
    driven = fleet.listen(base, Twist, "/r1/cmd_vel")
    driver = fleet.node("driver", robot)
    driving = driver.create_publisher(Twist, "/cmd_vel", 10)
    driver.create_timer(0.01, lambda: driving.publish(Twist()))
    fleet.until(lambda: len(heard.got) > 5 and posed.got and driven.got, "all three")
    assert heard.dropped == 0, "what a rate leaves out is not lost"
    robot.kill_uplink()
    fleet.spin_for(1.0)
    robot.start_uplink()
    before = [len(heard.got), len(posed.got), len(driven.got)]
    fleet.until(
        lambda: (
            len(heard.got) > before[0] + 20
            and len(posed.got) > before[1] + 50
            and len(driven.got) > before[2] + 50
        ),
        "all three again",
    )
    since = heard.got[-1].data - heard.got[-20].data
    assert 19 * 2 < since < 19 * 20, "every tenth of 100 Hz, as exact as this machine is"
    coming = base.status()["coming"]
    assert coming["/r1/pose"]["resumed"] == coming["/r1/cmd_vel"]["resumed"] == 0
    assert posed.dropped > 0
    assert driven.dropped > 0


def test_a_bag_at_the_base_has_the_topics_of_the_robot(fleet: Fleet, tmp_path: Path) -> None:
    robot, base = pair(fleet, ["--publish", "/odom"], ["--subscribe", "/r*/odom"])
    Talker(fleet, robot, "/odom")
    fleet.until(lambda: "/r1/odom" in base.status()["coming"], "the offer")
    recorder = command("bag", "record", "-a", "-o", str(tmp_path / "b"), "--broker", base.address)
    fleet.until(lambda: robot.status()["going"]["/odom"]["sent"] > 10, "the recorder's demand")
    assert recorder.interrupt() == 0
    recorder.close()
    (bag,) = tmp_path.iterdir()
    told = command("bag", "info", str(bag))
    told.wait_for("/r1/odom")
    told.wait()
    assert "/uplink/_status" not in told.output
    told.close()


def test_tools_say_which_machine_a_topic_is_from(fleet: Fleet) -> None:
    robot, base = pair(
        fleet, ["--publish", "/odom", "--publish", "/scan"], ["--subscribe", "/r*/*"]
    )
    Talker(fleet, robot, "/odom")
    fleet.until(lambda: "/r1/odom" in base.status()["coming"], "the offer")
    for words, told in (
        ("topic echo --once /r1/odom", "/r1/odom comes from r1"),
        ("topic info -v /r1/odom", "Machine: r1"),
        ("node list", r"/uplink \(r1\)"),
    ):
        said = command(*words.split(), "--broker", base.address)
        said.wait_for(told)
        said.wait()
        said.close()
    scans = fleet.node("lidar", robot)
    scanned = scans.create_publisher(LaserScan, "/scan", 10)
    scans.create_timer(0.05, lambda: scanned.publish(_scan(seconds_ago=2)))
    fleet.until(lambda: "/r1/scan" in base.status()["coming"], "the offer")
    delay = command("topic", "delay", "/r1/scan", "--broker", base.address)
    delay.wait_for(r"average delay: [2-9]\.")  # not that since the uplink published it here
    delay.close()
    for words, told in (("hz", "average rate: "), ("bw", "B/s from ")):
        measured = command("topic", words, "/r1/odom", "--broker", base.address)
        measured.wait_for(told)  # it is the only reader
        measured.close()
    delay = command("topic", "delay", "/r1/odom", "--broker", base.address)
    delay.wait_for("an uplink brings it, which does not tell when it was published there")
    assert delay.wait() == 1
    delay.close()
    robot.kill_uplink()
    fleet.until(lambda: not base.status()["links"], "the end of the link")
    doctor = command("doctor", "--broker", base.address)
    doctor.wait_for("uplink: link: no machine is connected")
    doctor.wait()
    doctor.close()
    status = command("uplink", "status", "--broker", robot.address)
    status.wait_for("no uplink is connected")  # not the last status of the one that was killed
    assert status.wait() == 1
    status.close()


def _scan(seconds_ago: int) -> LaserScan:
    now_ns = time.time_ns()
    stamp = Time(sec=now_ns // 10**9 - seconds_ago, nanosec=now_ns % 10**9)
    return LaserScan(header=Header(stamp=stamp))


def test_commands_whose_stop_stays_behind_are_told_at_both_ends_and_by_doctor(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--subscribe", "/cmd_vel"], ["--publish", "/r*/cmd_vel"])
    motor = fleet.node("motor", robot)
    motor.create_subscription(Twist, "/cmd_vel", lambda _: None, 1)
    EmergencyStop(motor)
    fleet.node("teleop", base).create_publisher(Twist, "/r1/cmd_vel", 1)
    assert robot.uplink is not None
    assert base.uplink is not None
    robot.uplink.wait_for("commands on /cmd_vel come from another machine")
    base.uplink.wait_for("commands on /r1/cmd_vel go to another machine")
    fleet.until(lambda: robot.status()["links"], "the connection")
    doctor = command("doctor", "--broker", robot.address)
    doctor.wait_for("uplink: emergency stop: commands on /cmd_vel")
    doctor.wait()
    doctor.close()


def test_parameters_of_a_node_are_read_and_set_from_another_machine(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--serve", "/motor/*"], ["--call", "/r1/motor/*"])
    node = fleet.node("motor", robot)
    node.declare_parameter("gain", 1.5)
    fleet.spin_for(0.0)
    client = fleet.node("asker", base).create_client(GetParameters, "/r1/motor/get_parameters")
    fleet.until(client.service_is_ready, "the parameters' service")

    async def ask() -> float:
        response = await client.call_async(GetParameters.Request(names=["gain"]))
        return float(response.values[0].double_value)

    assert fleet.run(ask()) == 1.5


def test_a_ring_of_machines_carries_each_message_once(fleet: Fleet) -> None:
    ports = [free_port() for _ in range(3)]
    machines = [
        fleet.machine(
            *("--listen", f"127.0.0.1:{ports[number]}"),
            *("--connect", f"127.0.0.1:{ports[(number + 1) % 3]}"),
            *("--publish", "/chat", "--subscribe", "/chat"),
        )
        for number in range(3)
    ]
    talkers = [fleet.node(f"talker_{n}", each) for n, each in enumerate(machines)]
    publishers = [node.create_publisher(String, "/chat", 100) for node in talkers]
    heard = [fleet.listen(each, String, "/chat") for each in machines]

    def all_hear() -> bool:
        for number, publisher in enumerate(publishers):
            publisher.publish(String(data=f"hello {number}"))
        fleet.spin_for(0.1)
        return all({msg.data for msg in each.got} >= _HELLOS for each in heard)

    fleet.until(all_hear, "all three to hear all three")
    for number, publisher in enumerate(publishers):
        for count in range(30):
            publisher.publish(String(data=f"{number}/{count}"))
    fleet.until(lambda: all(_counted(each) >= 90 for each in heard), "all messages")
    fleet.spin_for(0.5)
    for each in heard:
        words = [msg.data for msg in each.got if "/" in msg.data]
        assert len(words) == len(set(words)) == 90


_HELLOS = {"hello 0", "hello 1", "hello 2"}


def _counted(listener: Listener) -> int:
    return sum("/" in msg.data for msg in listener.got)


_WITHOUT_LOCALITY = """
import sys, zenoh
del zenoh.Locality
from dsmq_nodes.cli import main
sys.argv[0] = "dsmq-nodes"
main()
"""


def test_an_uplink_that_cannot_join_the_fleet_ends_and_says_why(fleet: Fleet) -> None:
    machine = fleet.machine()
    words = ("--as", "r1", "--listen", f"127.0.0.1:{free_port()}", "--broker", machine.address)
    line = [sys.executable, "-c", _WITHOUT_LOCALITY, "uplink", *words, "--publish", "/odom"]
    machine.uplink = Running(line, is_merged=True)
    assert machine.uplink.wait() == 1
    assert "cannot join the fleet: AttributeError: " in machine.uplink.output


def test_a_second_uplink_of_a_broker_is_refused(fleet: Fleet) -> None:
    robot, _ = pair(fleet, ["--publish", "/odom"], ["--subscribe", "/r*/odom"])
    assert robot.uplink is not None
    fleet.until(lambda: robot.status()["links"], "the connection")
    again = Machine.__new__(Machine)
    again.broker, again.words, again.host = robot.broker, robot.words, None
    again.start_uplink()
    assert again.uplink is not None
    assert again.uplink.wait() == 1
    assert "node name '/uplink' is taken" in again.uplink.output
    again.uplink.close()
    assert robot.uplink.process.poll() is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--connect 10.0.0.1 --publish /odom", "is on another machine"),
        ("--listen 0.0.0.0:7447 --publish /odom", "is on another machine"),
        ("--connect tls/localhost --publish /odom", "set tls to the certificates"),
        ("--connect localhost", "nothing is carried unless it is named"),
        ("--publish /odom", "give the addresses of others"),
        ("--connect localhost --publish odom", "write the full name, as '/odom'"),
        ("--connect localhost --publish /rosout", "is never carried"),
        ("--as a/b --connect localhost --publish /x", "'a/b' is not a name"),
        ("--connect nonsense/x:y --publish /x", "write HOST:PORT"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fleet: Fleet, words: str, told: str) -> None:
    machine = fleet.machine(*words.split())
    assert machine.uplink is not None
    assert machine.uplink.wait() == 1
    assert told in machine.uplink.output
    assert len(machine.uplink.lines) == 1
