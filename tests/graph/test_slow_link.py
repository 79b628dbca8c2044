"""A publisher far from its broker: what comes over a slow link is new, and the rest is counted."""

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
        reader.create_subscription(TwistStamped, "cmd_vel", self._take, 5000)
        self.publisher = self.node.create_publisher(TwistStamped, "cmd_vel", 10)
        self.ages_sec: list[float] = []
        self.got: list[int] = []

    def publish(self) -> float:
        """Publish the next one; returns how long that took, in seconds."""
        now_ns = time.monotonic_ns()
        stamp = Time(sec=now_ns // 10**9, nanosec=now_ns % 10**9)
        header = Header(frame_id=str(self.publisher.messages), stamp=stamp)
        self.publisher.publish(TwistStamped(header=header))
        return (time.monotonic_ns() - now_ns) * 1e-9

    def _take(self, msg: TwistStamped) -> None:
        stamp = msg.header.stamp
        self.ages_sec.append(time.monotonic() - stamp.sec - stamp.nanosec * 1e-9)
        self.got.append(int(msg.header.frame_id))


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
