"""Links, routers, uplinks and brokers that were away: what comes later, and what is counted."""

import signal
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from dsmq_nodes import Actuator, Client, Node
from dsmq_nodes.errors import ServiceUnavailableError
from dsmq_nodes.messages import Int64
from dsmq_nodes.messages.std_srvs import SetBool
from tests.gateways.uplink.fleet import (
    Fleet,
    Listener,
    Machine,
    Talker,
    assert_counted,
    assert_whole,
    numbers,
    pair,
)
from tests.support.processes import suspend
from tests.support.reserved import free_port
from tests.support.waiting import until

pytest.importorskip("zenoh")

from dsmq_nodes.gateways.uplink.over_zenoh import zenoh_carrier


def test_nothing_is_lost_when_the_router_is_killed(fleet: Fleet) -> None:
    where = f"127.0.0.1:{free_port()}"
    router = fleet.router("--listen", where)
    robot = fleet.machine("--as", "r1", "--connect", where, "--publish", "/odom")
    base = fleet.machine("--connect", where, "--subscribe", "/r*/odom")
    odom = Talker(fleet, robot, "/odom", 100.0)
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 50, "messages")
    router.kill()
    before = len(heard.got)
    assert robot.uplink is not None
    robot.uplink.wait_for("the link is down")
    robot.uplink.wait_for("no router at tcp/.*: Connection refused; trying again")
    fleet.router("--listen", where)
    robot.uplink.wait_for(r"the link is back after \d+\.\d s")
    fleet.until(lambda: len(heard.got) > before + 150, "messages after that")
    odom.stop()
    fleet.until(lambda: numbers(heard)[-1] == odom.count - 1, "the last")
    assert_whole(heard, odom)
    fleet.until(lambda: base.status()["coming"]["/r1/odom"]["resumed"] > 0, "the count")
    assert base.status()["coming"]["/r1/odom"]["lost"] == 0


class Motor(Node):
    def __init__(self, fleet: Fleet, machine: Machine) -> None:
        super().__init__("motor", broker=machine.broker.address)
        self.obeyed: list[int] = []
        self.commands = Actuator(self, Int64, "/speed", self.obey, timeout=0.5)
        fleet.nodes.append(self)

    def obey(self, msg: Int64) -> None:
        self.obeyed.append(msg.data)

    def enter_safe_state(self) -> None: ...


def stop_long_ago(fleet: Fleet, speed: Talker) -> None:
    """End the commands, and wait until the last one is older than the motor's timeout."""
    speed.stop()
    until_sec = time.monotonic() + 1.0
    fleet.until(lambda: time.monotonic() > until_sec, "the timeout")


def test_a_command_that_comes_after_an_outage_is_too_late(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--subscribe", "/speed"], ["--publish", "/r1/speed"])
    motor = Motor(fleet, robot)
    speed = Talker(fleet, base, "/r1/speed")
    fleet.until(lambda: len(motor.obeyed) > 50, "commands")
    base.kill_uplink()
    count = speed.count
    fleet.until(lambda: speed.count > count + 50, "commands that nobody carries")
    stop_long_ago(fleet, speed)
    base.start_uplink()
    fleet.until(lambda: motor.commands.subscription.late, "a late command")
    assert motor.obeyed[-1] < count


def test_a_command_that_the_link_delayed_is_too_late(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--subscribe", "/speed"], ["--publish", "/r1/speed"])
    motor = Motor(fleet, robot)
    speed = Talker(fleet, base, "/r1/speed")
    fleet.until(lambda: len(motor.obeyed) > 50, "commands")
    assert robot.uplink is not None
    suspend(robot.uplink.process.pid)
    count = speed.count
    fleet.until(lambda: speed.count > count + 20, "commands on their way")
    stop_long_ago(fleet, speed)
    robot.uplink.send(signal.SIGCONT)
    fleet.until(lambda: motor.commands.subscription.late, "a late command")
    assert motor.obeyed[-1] < count


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such clock")
def test_a_machine_that_has_slept_does_not_make_its_next_messages_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it slept, Python's monotonic clock stood still; commands and calls were refused."""
    asleep = {**vars(time), "monotonic": lambda: 5.0}
    monkeypatch.setattr(zenoh_carrier, "time", SimpleNamespace(**asleep))
    monkeypatch.setattr("zenoh.Timestamp", lambda at, _: at)
    carrier, sent = zenoh_carrier.ZenohCarrier("r1", {}), list[Any]()
    carrier._clock_id = ""
    publisher = SimpleNamespace(put=lambda *_, timestamp, **__: sent.append(timestamp))
    carrier._offered["r1/speed"] = SimpleNamespace(publisher=publisher)  # type: ignore[assignment]

    def clock_goes_on() -> bool:
        carrier.put("r1/speed", b"", b"")
        return bool(sent[-1] > sent[0])

    until(clock_goes_on)


def test_what_the_log_no_longer_has_is_counted_to_the_message(fleet: Fleet) -> None:
    where = f"127.0.0.1:{free_port()}"
    robot = fleet.machine("--as", "r1", "--connect", where, "--publish", "/odom")
    base = fleet.machine("--listen", where, "--subscribe", "/r*/odom")
    odom = Talker(fleet, robot, "/odom", 1000.0)
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 50, "messages")
    robot.kill_uplink()
    enough = odom.count + 3000
    fleet.until(lambda: odom.count > enough, "more than is kept")
    robot.start_uplink()
    before = len(heard.got)
    fleet.until(lambda: len(heard.got) > before + 100, "messages after that")
    odom.stop()
    fleet.until(lambda: numbers(heard)[-1] == odom.count - 1, "the last")
    assert heard.dropped > 0
    assert_counted(heard, odom)


def test_what_vanishes_there_vanishes_here_and_comes_back(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--serve", "/set"], ["--call", "/r*/set"])
    fleet.node("server", robot).create_service(SetBool, "/set", _answer)
    client = fleet.node("caller", base).create_client(SetBool, "/r1/set")
    fleet.until(client.service_is_ready, "the service")
    robot.kill_uplink()
    fleet.until(lambda: not client.service_is_ready(), "its end")
    robot.start_uplink()
    fleet.until(client.service_is_ready, "the service again")
    assert fleet.run(_call(client, value=True))


async def _call(client: Client[Any, Any], value: bool) -> bool:
    response = await client.call_async(SetBool.Request(data=value))
    return bool(response.success)


def _answer(request: SetBool.Request) -> SetBool.Response:
    return SetBool.Response(success=request.data)


@pytest.mark.parametrize("whose", ["robot", "base"])
def test_what_a_restarted_broker_has_lost_is_counted_and_told(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, whose: str
) -> None:
    robot, base = pair(fleet, ["--publish", "/odom"], ["--subscribe", "/r*/odom"])
    odom = Talker(fleet, robot, "/odom", 100.0)
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 50, "messages")
    broker = (robot if whose == "robot" else base).broker
    broker.kill()
    fleet.spin_for(0.5)
    broker.start()
    end_counted(fleet, odom, heard)
    told = [line for line in caplog.messages if "of /uplink on /r1/odom never came" in line]
    assert len(told) == 1
    assert "the way from another machine" in told[0]


def test_a_broker_that_is_restarted_while_the_link_is_away_loses_nothing_in_silence(
    fleet: Fleet,
) -> None:
    where = f"127.0.0.1:{free_port()}"
    router = fleet.router("--listen", where)
    robot = fleet.machine("--as", "r1", "--connect", where, "--publish", "/odom")
    base = fleet.machine("--connect", where, "--subscribe", "/r*/odom")
    odom = Talker(fleet, robot, "/odom", 100.0)
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 50, "messages")
    router.kill()
    assert robot.uplink is not None
    robot.uplink.wait_for("the link is down")
    fleet.spin_for(0.5)  # what is published now is lost with the old log
    robot.broker.kill()
    robot.broker.start()
    robot.uplink.wait_for("the broker is back")
    fleet.router("--listen", where)
    end_counted(fleet, odom, heard)


def await_more(fleet: Fleet, talker: Talker, heard: Listener, what: str) -> None:
    before = talker.count
    fleet.until(lambda: numbers(heard)[-1] > before + 50, what)


def end_counted(fleet: Fleet, talker: Talker, heard: Listener) -> None:
    """Wait for messages from now on and the last one: some were lost, and are counted."""
    await_more(fleet, talker, heard, "messages after that")
    await_more(fleet, talker, heard, "messages after the answer from the log")
    talker.stop()
    fleet.until(lambda: numbers(heard)[-1] == talker.count - 1, "the last")
    assert heard.dropped > 0
    assert_counted(heard, talker)


def test_what_is_lost_with_a_broker_and_the_other_uplink_at_once_is_counted(fleet: Fleet) -> None:
    robot, base = pair(fleet, ["--publish", "/odom"], ["--subscribe", "/r*/odom"])
    odom = Talker(fleet, robot, "/odom", 100.0)
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 150, "messages")
    base.kill_uplink()
    robot.broker.kill()
    robot.broker.start()
    base.start_uplink()
    end_counted(fleet, odom, heard)


def test_an_uplink_that_is_restarted_goes_on_though_the_other_broker_was_so_before(
    fleet: Fleet,
) -> None:
    robot, base = pair(fleet, ["--publish", "/odom"], ["--subscribe", "/r*/odom"])
    odom = Talker(fleet, robot, "/odom", 100.0)
    heard = fleet.listen(base, Int64, "/r1/odom")
    fleet.until(lambda: len(heard.got) > 50, "messages")
    robot.broker.kill()
    fleet.spin_for(0.5)
    robot.broker.start()
    count = odom.count
    fleet.until(lambda: numbers(heard)[-1] > count + 150, "messages after that")
    dropped = heard.dropped
    base.kill_uplink()
    count = odom.count
    fleet.until(lambda: odom.count > count + 50, "more messages")
    base.start_uplink()
    end_counted(fleet, odom, heard)
    assert heard.dropped == dropped, "the robot's log has all of them"


def test_a_call_whose_caller_has_given_up_is_not_carried_out_after_the_outage(fleet: Fleet) -> None:
    where = f"127.0.0.1:{free_port()}"
    router = fleet.router("--listen", where)
    robot = fleet.machine("--as", "r1", "--connect", where, "--serve", "/set")
    base = fleet.machine("--connect", where, "--call", "/r1/set")
    done: list[bool] = []

    def serve(request: SetBool.Request) -> SetBool.Response:
        done.append(request.data)
        return SetBool.Response(success=True)

    fleet.node("server", robot).create_service(SetBool, "/set", serve)
    client = fleet.node("caller", base).create_client(SetBool, "/r1/set")
    fleet.until(client.service_is_ready, "the service")
    assert fleet.run(_call(client, value=True))
    router.send(signal.SIGSTOP)  # the link seems to be there for the time of the lease
    given_up = client.call_async(SetBool.Request(data=False))
    fleet.until(given_up.done, "the end of the lease")
    assert isinstance(given_up.exception(), ServiceUnavailableError)
    router.kill()
    fleet.router("--listen", where)
    assert base.uplink is not None
    base.uplink.wait_for("a call on /r1/set is not sent: its server was away")
    fleet.until(client.service_is_ready, "the service again")
    assert fleet.run(_call(client, value=True))
    assert done == [True, True]
