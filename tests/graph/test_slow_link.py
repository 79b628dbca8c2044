"""Nodes far from their broker: what goes over a slow link is new, and the rest is counted."""

import logging
import time
from collections.abc import Iterator
from typing import Final

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages import Header, Time, TwistStamped
from dsmq_nodes.testing import BrokerProcess
from tests.gateways.uplink.fleet import Fleet
from tests.support.network import Network, network

__all__ = ["network"]
logger = logging.getLogger("figures")  # pytest --log-level INFO -rP
_RATE_HZ: Final = 400.0  # 100 kB/s


class Remote:
    """A node on a robot, whose broker and subscriber are on a base."""

    def __init__(self, network: Network, fleet: Fleet) -> None:
        self.host, base = network.host(), network.host()
        with base.entered():
            self.broker = BrokerProcess(0, "--host", base.address, "--insecure")
            fleet.nodes.append(reader := Node("reader", broker=(base.address, self.broker.port)))
        with self.host.entered():
            self.node = Node("robot", broker=(base.address, self.broker.port))
        self.reader = reader
        reader.create_subscription(TwistStamped, "cmd_vel", self._take, 5000)
        self.publisher = self.node.create_publisher(TwistStamped, "cmd_vel", 10)
        self.ages_sec: list[float] = []
        self.got: list[int] = []

    def publish(self) -> float:
        """Publish the next one; returns how long that took, in seconds."""
        began_sec = time.monotonic()
        self.publisher.publish(numbered(self.publisher.messages))
        return time.monotonic() - began_sec

    def _take(self, msg: TwistStamped) -> None:
        self.ages_sec.append(age_sec(msg))
        self.got.append(int(msg.header.frame_id))


def numbered(number: int) -> TwistStamped:
    """A message that says when it was made, and which one it is."""
    now_ns = time.monotonic_ns()
    stamp = Time(sec=now_ns // 10**9, nanosec=now_ns % 10**9)
    return TwistStamped(header=Header(frame_id=str(number), stamp=stamp))


def age_sec(msg: TwistStamped) -> float:
    """How long ago a message was made."""
    stamp = msg.header.stamp
    return time.monotonic() - stamp.sec - stamp.nanosec * 1e-9


@pytest.fixture
def remote(network: Network) -> Iterator[tuple[Remote, Fleet]]:
    fleet = Fleet()
    remote = Remote(network, fleet)
    try:
        yield remote, fleet
    finally:
        fleet.close()
        remote.node.destroy_node()
        remote.broker.close()


@pytest.mark.parametrize("is_spun", [True, False])
def test_what_comes_over_a_slow_link_is_new_and_publishing_does_not_wait(
    remote: tuple[Remote, Fleet], is_spun: bool
) -> None:
    far, fleet = remote
    if is_spun:
        fleet.nodes.append(far.node)
    far.host.limit("300kbit")
    took_sec: list[float] = []
    begun, began_sec = 0, time.monotonic()
    while (now_sec := time.monotonic() - began_sec) < 8.0:
        while len(took_sec) < now_sec * _RATE_HZ:  # by the clock, however busy the machine is
            took_sec.append(far.publish())
        fleet.spin_for(1 / _RATE_HZ)
        if now_sec < 3.0:
            begun = len(far.got)
    ages_sec = sorted(far.ages_sec[begun:])
    far.host.unlimit()
    fleet.until(lambda: far.publish() and far.got[-1] > len(took_sec), "the link to be good again")
    fleet.until(lambda: far.got[-1] == far.publisher.messages - 1, "the last")
    logger.info("age p50 %.2f s, at most %.2f s", ages_sec[len(ages_sec) // 2], ages_sec[-1])
    logger.info("publishing took %.3f s, once at most %.3f s", sum(took_sec), max(took_sec))
    assert far.got == sorted(set(far.got))
    assert far.publisher.dropped > 0
    assert len(far.got) + far.publisher.dropped == far.publisher.messages
    assert ages_sec[len(ages_sec) // 2] < 3.0  # 28 s before: what waited was a megabyte
    assert sum(took_sec) < 0.5 * 8.0


def test_a_subscriber_behind_a_slow_link_gets_what_is_new(remote: tuple[Remote, Fleet]) -> None:
    far, fleet = remote
    fleet.nodes.append(far.node)
    publishers = [far.reader.create_publisher(TwistStamped, f"pose{n}", 10) for n in range(4)]
    got: list[tuple[int, float]] = []
    subscriptions = [
        far.node.create_subscription(
            TwistStamped,
            f"pose{n}",
            lambda msg: got.append((int(msg.header.frame_id), age_sec(msg))),
            10,
        )
        for n in range(4)
    ]
    count = 0

    def publish() -> None:
        nonlocal count
        for each in publishers:
            each.publish(numbered(count))
        count += 1

    timer = far.reader.create_timer(4 / _RATE_HZ, publish)
    fleet.until(lambda: len(got) > 40, "messages")
    far.host.limit("300kbit")
    fleet.spin_for(4.0)
    begun = len(got)
    fleet.spin_for(2.0)
    ages_sec = sorted(age for _, age in got[begun:])
    far.host.unlimit()
    fleet.spin_for(1.0)
    timer.cancel()
    fleet.until(lambda: got[-1][0] == count - 1, "the last")
    logger.info("age p50 %.2f s, at most %.2f s", ages_sec[len(ages_sec) // 2], ages_sec[-1])
    assert sum(each.dropped for each in subscriptions) > 0
    assert ages_sec[len(ages_sec) // 2] < 2.5  # 4.4 s before: the kernel held 128 KiB of them
