"""Uplinks of machines with a cable each, which is cut, loses packets or is slow.

Each machine is a network namespace, so these tests need root; they are skipped without it.
"""

import contextlib
import logging
import socket
import threading
import time
from pathlib import Path

import pytest

from dsmq_nodes.messages import Int64, String
from tests.gateways.uplink.fleet import Fleet, Listener, Machine, Talker
from tests.gateways.uplink.sensors import FEW, Sensor, assert_whole, end, sensors
from tests.support.network import Host, Network, network

pytest.importorskip("zenoh")
pytest.importorskip("cryptography")

from dsmq_nodes.gateways.uplink.uplink_keys import make_keys

__all__ = ["network"]
logger = logging.getLogger("figures")  # pytest --log-level INFO -rP


@pytest.fixture
def fleet(network: Network, fleet: Fleet) -> Fleet:
    """It ends before the network does."""
    return fleet


def robot_and_base(fleet: Fleet, hosts: list[Host], routers: str) -> tuple[Machine, Machine]:
    """A robot r1 and a base, which find each other at routers."""
    where = [f"--connect={router}" for router in routers.split()]
    options = ("--insecure", "--publish=/imu", "--publish=/laserscan")
    return (
        fleet.machine("--as", "r1", *where, *options, host=hosts[0]),
        fleet.machine(*where, "--insecure", "--subscribe=/r*/*", host=hosts[1]),
    )


def test_a_cable_that_is_cut_costs_no_message(network: Network, fleet: Fleet) -> None:
    hub, *hosts = [network.host() for _ in range(3)]
    fleet.router("--listen", hub.address, "--insecure", host=hub)
    robot, base = robot_and_base(fleet, hosts, hub.address)
    made = sensors(fleet, robot, base)
    hosts[0].lose(100)
    await_more(fleet, made, 300)
    fleet.until(lambda: not offered(base), "the end of the lease")
    hosts[0].lose(0)
    healed_sec, before = time.monotonic(), made[0].count
    fleet.until(lambda: all(each.got[-1] >= before for each in made[:1]), "the messages")
    logger.info("all there %.2f s after it was healed", time.monotonic() - healed_sec)
    assert_whole(fleet, made)
    fleet.until(lambda: base.status()["coming"]["/r1/imu"]["resumed"] > 200, "the count")
    assert base.status()["coming"]["/r1/imu"]["lost"] <= FEW + made[0].given_way


def test_a_robot_that_is_cut_holds_up_no_other_and_is_commanded_again_at_once(
    network: Network, fleet: Fleet, tmp_path: Path
) -> None:
    hub, *hosts = [network.host() for _ in range(3)]
    make_keys(tmp_path, ["r1", "r2", f"base={hub.address}"])
    base = fleet.machine(
        *("--listen", hub.address, "--publish=/*/speed", f"--tls={tmp_path}/base"),
        *("--robot=r1", "--robot=r2"),
        host=hub,
    )
    heard = []
    for name, host in zip(("r1", "r2"), hosts, strict=True):
        where = ("--connect", hub.address, f"--tls={tmp_path}/{name}")
        robot = fleet.machine("--as", name, *where, "--subscribe=/speed", host=host)
        heard.append(fleet.listen(robot, Int64, "/speed"))
        Talker(fleet, base, f"/{name}/speed")
    await_commands(fleet, heard)
    hosts[0].lose(100)
    fleet.until(lambda: len(base.status()["links"]) == 1, "the end of the lease")
    await_commands(fleet, heard[1:])
    hosts[0].lose(0)
    await_commands(fleet, heard)


def await_commands(fleet: Fleet, heard: list[Listener]) -> None:
    before = [len(each.got) for each in heard]
    fleet.until(
        lambda: all(len(each.got) > n + 50 for each, n in zip(heard, before, strict=True)),
        "commands",
    )


def test_a_link_that_is_slow_behind_a_router_lets_messages_give_way_at_the_sender(
    network: Network, fleet: Fleet
) -> None:
    hub, *hosts = [network.host() for _ in range(3)]
    fleet.router("--listen", hub.address, "--insecure", host=hub)
    robot, base = robot_and_base(fleet, hosts, hub.address)
    made = sensors(fleet, robot, base)
    hosts[1].limit("300kbit")

    fleet.until(lambda: gives_way(robot), "what gives way")
    hosts[1].unlimit()
    await_news(fleet, made, "the link is fast again")
    end(fleet, made)
    for each in made:
        assert each.got == sorted(set(each.got))
        assert len(each.got) + each.subscription.dropped == each.count - each.got[0]


def gives_way(robot: Machine) -> bool:
    """Whether its uplink has skipped messages of both sensors."""
    going = robot.status()["going"]
    return all(going[topic]["dropped"] > 5 for topic in ("/imu", "/laserscan"))


def test_processes_that_are_killed_cost_no_message(network: Network, fleet: Fleet) -> None:
    hub, *hosts = [network.host() for _ in range(3)]
    listen = ("--listen", hub.address, "--insecure")
    router = fleet.router(*listen, host=hub)
    robot, base = robot_and_base(fleet, hosts, hub.address)
    made = sensors(fleet, robot, base)
    for machine in (robot, base):
        machine.kill_uplink()
        await_more(fleet, made, 50)
        machine.start_uplink()
        await_news(fleet, made, "the uplink is there again")
    router.kill()
    await_more(fleet, made, 150)
    fleet.router(*listen, host=hub)
    await_news(fleet, made, "the router is there again")
    assert_whole(fleet, made)


def offered(machine: Machine) -> list[str]:
    """The topics that other machines offer to one."""
    return [topic for topic, coming in machine.status()["coming"].items() if coming["from"]]


def await_more(fleet: Fleet, made: list[Sensor], messages: int) -> None:
    """Wait until so many more of the IMU are published, heard or not: 50 are a second."""
    enough = made[0].count + messages
    fleet.until(lambda: made[0].count >= enough, "more messages")


def await_news(fleet: Fleet, made: list[Sensor], when: str) -> None:
    """Wait for messages that are published from now on."""
    before = [each.count for each in made]
    fleet.until(
        lambda: all(each.got[-1] > count for each, count in zip(made, before, strict=True)),
        f"messages after {when}",
    )


def test_the_other_router_goes_on_for_one_that_is_killed(network: Network, fleet: Fleet) -> None:
    hub, spare, *hosts = [network.host() for _ in range(4)]
    router = fleet.router("--listen", hub.address, "--insecure", host=hub)
    fleet.router("--listen", spare.address, "--connect", hub.address, "--insecure", host=spare)
    robot, base = robot_and_base(fleet, hosts, f"{hub.address} {spare.address}")
    made = sensors(fleet, robot, base)
    router.kill()
    await_news(fleet, made, "the router was killed")
    assert_whole(fleet, made)


def test_a_robot_that_starts_while_the_first_router_is_away_uses_the_other(
    network: Network, fleet: Fleet
) -> None:
    hub, spare, *hosts = [network.host() for _ in range(4)]
    fleet.router("--listen", spare.address, "--insecure", host=spare)
    robot, base = robot_and_base(fleet, hosts, f"{hub.address} {spare.address}")
    assert_whole(fleet, sensors(fleet, robot, base))


def test_a_link_that_loses_many_packets_goes_on_by_udp_where_its_address_allows(
    network: Network, fleet: Fleet, tmp_path: Path
) -> None:
    hosts = [network.host() for _ in range(2)]
    make_keys(tmp_path, ["r1", f"base={hosts[1].address}"])
    robot, base = direct(fleet, hosts, "", tmp_path)
    made = sensors(fleet, robot, base)
    assert ways(robot) == ["tls"]
    hosts[0].lose(20)
    fleet.until(lambda: ways(robot) == ["udp"], "the other way")
    await_news(fleet, made, "the change")
    hosts[0].lose(0)
    end(fleet, made)
    for each in made:
        assert_only_what_gave_way_is_missing(fleet, robot, each)


def test_a_link_stays_by_tcp_where_udp_does_not_get_through(network: Network, fleet: Fleet) -> None:
    hosts = [network.host() for _ in range(2)]
    robot, base = direct(fleet, hosts, "")
    made = sensors(fleet, robot, base)
    hosts[0].lose(20, udp=100)
    fleet.until(lambda: "UDP does not get through" in fleet.output(), "the question")
    assert "changing to UDP" not in fleet.output(), "no link is ended for a way that is none"
    # TCP may have lost its link by itself: with so much lost it is silent for longer than a lease.
    fleet.until(lambda: ways(robot) == ["tcp"], "the link")
    hosts[0].lose(0)
    await_news(fleet, made, "the question")
    end(fleet, made)
    for each in made:
        assert_all_is_counted(each)


def test_a_stranger_who_connects_by_tcp_again_and_again_keeps_no_robot_out(
    network: Network, fleet: Fleet, tmp_path: Path
) -> None:
    *hosts, stranger = [network.host() for _ in range(3)]
    make_keys(tmp_path, ["r1", f"base={hosts[1].address}"])
    base = fleet.machine(
        *("--listen", hosts[1].address, f"--tls={tmp_path}/base", "--robot=r1"),
        *("--subscribe", "/r1/*"),
        host=hosts[1],
    )
    fleet.until(lambda: base.status() is not None, "the router")
    is_over = threading.Event()

    def connect() -> None:
        with stranger.entered():
            while not is_over.is_set():
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((hosts[1].address, 7447), 1.0) as made,
                ):
                    made.sendall(bytes(300))

    threads = [threading.Thread(target=connect) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        robot = fleet.machine(
            *("--as", "r1", "--connect", hosts[1].address, f"--tls={tmp_path}/r1"),
            *("--publish", "/imu"),
            host=hosts[0],
        )
        fleet.until(lambda: ways(robot), "the link")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def ways(machine: Machine) -> list[str]:
    """By what its links are."""
    return [str(each).partition("/")[0] for each in machine.status()["links"]]


@pytest.mark.parametrize(("percent", "kind"), [(5, "tcp"), (20, "udp")])
def test_lost_packets_cost_no_message(
    network: Network, fleet: Fleet, tmp_path: Path, percent: int, kind: str
) -> None:
    hosts = [network.host() for _ in range(2)]
    make_keys(tmp_path, ["r1", f"base={hosts[1].address}"])
    robot, base = direct(fleet, hosts, kind, tmp_path)
    made = sensors(fleet, robot, base)
    hosts[0].lose(percent)
    await_more(fleet, made, 150)
    hosts[0].lose(0)
    end(fleet, made)
    for each in made:
        each.log_ages()
        assert_only_what_gave_way_is_missing(fleet, robot, each)


def assert_all_is_counted(made: Sensor) -> None:
    """What came is in order and came once, and what did not come is counted."""
    assert made.got == sorted(set(made.got)), made.topic
    assert len(made.got) + made.subscription.dropped == made.count - made.got[0], made.topic


def assert_only_what_gave_way_is_missing(fleet: Fleet, robot: Machine, made: Sensor) -> None:
    """Nothing, where the machine has time to send lost packets again."""
    assert_all_is_counted(made)
    dropped = made.subscription.dropped
    name = made.topic.removeprefix("/r1")
    # More where the link ended just then: the answer after the outage had some of them.
    fleet.until(lambda: robot.status()["going"][name]["dropped"] >= dropped, "the robot's count")


def test_a_path_that_large_packets_do_not_pass_is_found_out(
    network: Network, fleet: Fleet, tmp_path: Path
) -> None:
    hosts = [network.host() for _ in range(2)]
    hosts[0].narrow(576)
    make_keys(tmp_path, ["r1", f"base={hosts[1].address}"])
    robot, base = direct(fleet, hosts, "udp", tmp_path)
    assert_whole(fleet, sensors(fleet, robot, base))


def direct(
    fleet: Fleet, hosts: list[Host], kind: str = "tcp", keys: Path | None = None
) -> tuple[Machine, Machine]:
    """A robot and a base, which listens itself; TCP alone goes without `keys`."""
    where = f"{kind}/{hosts[1].address}" if kind else hosts[1].address
    ours, theirs = ["--insecure"], ["--insecure"]
    if keys is not None and kind != "tcp":
        ours, theirs = [f"--tls={keys}/base", "--robot=r1"], [f"--tls={keys}/r1"]
    listen = ("--listen", hosts[1].address)
    base = fleet.machine(*listen, *ours, "--subscribe=/r*/*", host=hosts[1])
    robot = fleet.machine(
        *("--as", "r1", "--connect", where, *theirs),
        *("--publish=/imu", "--publish=/laserscan", "--publish=/picture"),
        host=hosts[0],
    )
    return robot, base


def test_a_slow_link_carries_the_newest_of_each_topic_and_counts_the_others(
    network: Network,
    fleet: Fleet,
) -> None:
    hosts = [network.host() for _ in range(2)]
    robot, base = direct(fleet, hosts)
    made = sensors(fleet, robot, base)
    hosts[0].limit("300kbit")
    fleet.until(lambda: gives_way(robot), "what gives way")
    camera = fleet.node("camera", robot).create_publisher(String, "/picture", 1)
    seen = fleet.listen(base, String, "/r1/picture")
    fleet.until(lambda: robot.status()["going"].get("/picture", {}).get("wanted"), "the demand")
    camera.publish(String(data="x" * 60_000))
    fleet.until(lambda: seen.got, "a message that is larger than what waits anywhere")
    hosts[0].unlimit()
    await_news(fleet, made, "the link is fast again")  # what was lost is counted with it
    end(fleet, made)
    for each in made:
        assert each.got == sorted(set(each.got))
        assert len(each.got) + each.subscription.dropped == each.count - each.got[0]
        assert each.subscription.dropped > 0
