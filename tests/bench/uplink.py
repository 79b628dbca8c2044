"""The uplink's benchmark: `python -m tests.bench.uplink [ROW ...] [--quick]` prints a table.

Robot, base and router are network namespaces, each with a cable that loses packets or is slow: so
it needs root, `ip`, `tc` and `nft`. The robot has an IMU at 50 Hz and a laser scanner at 10 Hz, the
ages are those of IMU messages from `publish` to the callback at the base. The exit status is 1 when
a message was lost in silence, or came twice; a slow machine is no failure.
"""

import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psutil

from dsmq_nodes.bench.bench_figures import percentile
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.uplink_keys import make_keys
from dsmq_nodes.messages import String, Twist
from dsmq_nodes.messages.std_srvs import SetBool
from tests.bench.harness import table
from tests.bench.harness.row import Row
from tests.gateways.uplink.fleet import Fleet, Machine
from tests.gateways.uplink.sensors import Sensor, end, sensors
from tests.support.network import Network, why_none
from tests.support.programs import Running

_SLOW: Final = "300kbit"
_ROBOTS: Final = 50


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    lossy_sec: float = 20.0
    slow_sec: float = 15.0
    cut_sec: float = 10.0
    cpu_sec: float = 15.0


QUICK: Final = Scale(lossy_sec=1.0, slow_sec=2.0, cut_sec=1.0, cpu_sec=1.0)


class World:
    """A network with a robot r1, a base and perhaps a router, and certificates of all three."""

    def __init__(self, fleet: Fleet, net: Network, keys: Path) -> None:
        """Nothing runs yet."""
        self.fleet, self.net, self.keys = fleet, net, keys
        self.hosts = {name: net.host() for name in ("r1", "base", "hub")}
        addresses = [f"{name}={host.address}" for name, host in self.hosts.items()]
        make_keys(keys, addresses)

    def _trust(self, name: str, *, is_secure: bool, listens: bool) -> list[str]:
        if not is_secure:
            return ["--insecure"]
        rights = ["--robot=r1", "--base=base"] if listens else []
        return [f"--tls={self.keys / name}", *rights]

    def router(self, *, is_secure: bool) -> Running:
        """A router at the host hub."""
        host = self.hosts["hub"]
        trust = self._trust("hub", is_secure=is_secure, listens=True)
        return self.fleet.router("--listen", host.address, *trust, host=host)

    def machines(
        self, kind: str = "", *, is_secure: bool, routed: bool = False
    ) -> tuple[Machine, Machine]:
        """The robot and the base; which listens itself, unless there is a router."""
        where = kind + self.hosts["hub" if routed else "base"].address
        way = "--connect" if routed else "--listen"
        own = self.hosts["hub" if routed else "base"].address
        base = self.fleet.machine(
            *(f"{way}={own}", "--subscribe=/r1/*", "--publish=/r1/cmd_vel", "--call=/r1/set"),
            *self._trust("base", is_secure=is_secure, listens=not routed),
            host=self.hosts["base"],
        )
        robot = self.fleet.machine(
            *("--as=r1", f"--connect={where}"),
            *self._trust("r1", is_secure=is_secure, listens=False),
            *("--publish=/imu", "--publish=/laserscan", "--subscribe=/cmd_vel", "--serve=/set"),
            host=self.hosts["r1"],
        )
        return robot, base


@contextlib.contextmanager
def laid() -> Iterator[World]:
    """A world, until the row is done."""
    net = Network()
    fleet = Fleet()
    try:
        with tempfile.TemporaryDirectory() as keys:
            yield World(fleet, net, Path(keys))
    finally:
        fleet.close()
        net.close()


def _not_tried(row: Row) -> Row:
    row.met, row.measured = False, f"not tried: {why_none()}"
    return row


def _judge(row: Row, made: list[Sensor]) -> None:
    """What came was in order and once, and what did not come is counted."""
    for each in made:
        missing = each.count - each.got[0] - len(each.got) - each.subscription.dropped
        row.expect(missing, f"messages of {each.topic} lost in silence")
        row.expect(int(each.got != sorted(set(each.got))), "times out of order or twice")


def _ages(ages_sec: list[float]) -> str:
    ordered = sorted(ages_sec)
    shown = (f"{1000 * percentile(ordered, share):.0f}" for share in (50, 99, 100))
    return f"p50, p99, most: {', '.join(shown)} ms"


def lossy(scale: Scale, percent: int, kind: str, most_ms: int) -> Row:
    """Packets are lost both ways, with certificates; without a kind the link chooses its way."""
    how = kind or "HOST:PORT"
    row = Row(f"{how}, {percent} % of packets lost", f"p99 {most_ms} ms, none lost")
    if why_none():
        return _not_tried(row)
    with laid() as world:
        robot, base = world.machines(kind, is_secure=True)
        made = sensors(world.fleet, robot, base)
        world.fleet.spin_for(1.0)
        world.hosts["r1"].lose(percent)
        change = "" if kind else _change_of_way(world, scale, made[0])
        begun, lost_before = len(made[0].got), sum(each.subscription.dropped for each in made)
        world.fleet.spin_for(scale.lossy_sec)
        until = len(made[0].got)
        world.hosts["r1"].lose(0)
        end(world.fleet, made)
        lost = sum(each.subscription.dropped for each in made) - lost_before
        ages = made[0].ages_sec[begun:until]
        row.measured = f"{change}{_ages(ages)}, {lost} lost"
        row.met = percentile(sorted(ages), 99) <= most_ms / 1000 and not lost
        _judge(row, made)
    return row


def _change_of_way(world: World, scale: Scale, made: Sensor) -> str:
    """What comes before the link has gone over to UDP, or of the time in which it may."""
    begun, began_sec = len(made.got), time.monotonic()
    while "changing to UDP" not in world.fleet.output():
        if time.monotonic() - began_sec > scale.lossy_sec / 2:
            return "stays TCP: "
        world.fleet.spin_for(0.1)
    took_sec = time.monotonic() - began_sec
    world.fleet.spin_for(1.0)  # the link is away, and comes back
    most_ms = 1000 * max(made.ages_sec[begun:], default=0.0)
    lost = made.subscription.dropped
    return f"UDP after {took_sec:.1f} s (until then at most {most_ms:.0f} ms, {lost} lost), then "


def slow(scale: Scale, *, routed: bool, is_secure: bool, kind: str = "") -> Row:
    """A cable of 300 kbit/s for 700 kbit/s: the robot's, or the base's behind a router."""
    how = f"{'router, ' if routed else ''}{kind or ('tls/' if is_secure else 'tcp/')}"
    row = Row(f"{_SLOW} for 700 kbit/s, {how}", "at most 1 s old, the others counted")
    if why_none():
        return _not_tried(row)
    with laid() as world:
        if routed:
            world.router(is_secure=is_secure)
        robot, base = world.machines(kind, is_secure=is_secure, routed=routed)
        made = sensors(world.fleet, robot, base)
        cable = world.hosts["base" if routed else "r1"]
        cable.limit(_SLOW)
        world.fleet.spin_for(scale.slow_sec / 3)
        begun = [len(each.got) for each in made]
        world.fleet.spin_for(scale.slow_sec)
        until = [len(each.got) for each in made]
        cable.unlimit()
        world.fleet.spin_for(2.0)  # what a topic has lost is counted with its next message
        end(world.fleet, made)
        ages = [each.ages_sec[a:b] for each, a, b in zip(made, begun, until, strict=True)]
        imu, scan = (f"{_ages(each)} at {len(each) / scale.slow_sec:.1f} Hz" for each in ages)
        row.measured = f"IMU {imu}; scan {scan}"
        row.met = all(ages) and max(map(max, ages)) <= 1.0
        _judge(row, made)
    return row


def cut(scale: Scale, kind: str) -> Row:
    """The robot's cable is cut for 10 s."""
    row = Row(f"{kind or 'tls/'}, cut for {scale.cut_sec:.0f} s", "none lost, all there within 1 s")
    if why_none():
        return _not_tried(row)
    with laid() as world:
        robot, base = world.machines(kind, is_secure=True)
        made = sensors(world.fleet, robot, base)
        world.hosts["r1"].lose(100)
        world.fleet.spin_for(scale.cut_sec)
        world.hosts["r1"].lose(0)
        healed_sec, before = time.monotonic(), made[0].count
        world.fleet.until(lambda: made[0].got[-1] >= before, "the messages")
        took_sec = time.monotonic() - healed_sec
        end(world.fleet, made)
        lost = sum(each.subscription.dropped for each in made)
        row.measured = f"{lost} lost, all there after {took_sec:.2f} s"
        row.met = not lost and took_sec <= 1.0
        _judge(row, made)
    return row


class Operator:
    """The base commands the robot at 20 Hz, and calls it 5 times a second."""

    def __init__(self, fleet: Fleet, robot: Machine, base: Machine) -> None:
        """It begins when the service is there."""
        server = fleet.node("server", robot)
        server.create_service(SetBool, "/set", lambda _: SetBool.Response(success=True))
        server.create_subscription(Twist, "/cmd_vel", lambda _: None, 10)
        node = fleet.node("operator", base)
        client = node.create_client(SetBool, "/r1/set")
        commands = node.create_publisher(Twist, "/r1/cmd_vel", 10)
        fleet.until(client.service_is_ready, "the service")
        self._timers = [
            node.create_timer(0.05, lambda: commands.publish(Twist())),
            node.create_timer(0.2, self._ask),
        ]
        self._client = client

    def _ask(self) -> None:
        self._client.call_async(SetBool.Request(data=True))

    def end(self) -> None:
        """No more."""
        for timer in self._timers:
            timer.cancel()


def processor(scale: Scale, kind: str) -> Row:
    """IMU, scanner, commands and calls, with certificates."""
    row = Row(f"CPU of a robot's uplink, {kind or 'tls/'}", "0.05 cores")
    if why_none():
        return _not_tried(row)
    with laid() as world:
        robot, base = world.machines(kind, is_secure=True)
        made = sensors(world.fleet, robot, base)
        operator = Operator(world.fleet, robot, base)
        world.fleet.spin_for(2.0)
        used = [Used(each.uplink.process.pid) for each in (robot, base) if each.uplink is not None]
        world.fleet.spin_for(scale.cpu_sec)
        cores = [each.cores() for each in used]
        operator.end()
        end(world.fleet, made)
        row.measured = f"robot {cores[0]:.3f} cores, base {cores[1]:.3f}"
        row.met = cores[0] <= 0.05
        _judge(row, made)
    return row


class Used:
    """The processor time of a process since now."""

    def __init__(self, pid: int) -> None:
        """From now on."""
        self.process = psutil.Process(pid)
        self._begun = time.monotonic(), self._cpu_sec()

    def _cpu_sec(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def cores(self) -> float:
        """How many cores it has used on average."""
        since_sec, before_sec = self._begun
        return (self._cpu_sec() - before_sec) / (time.monotonic() - since_sec)


def fifty(scale: Scale) -> Row:
    """50 robots of 20 messages/s of 700 bytes at one router, which a base reads."""
    from dsmq_nodes.gateways.uplink.fleet_carrier import TopicOffer  # noqa: PLC0415
    from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_carrier import open_session  # noqa: PLC0415
    from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_config import zenoh_config  # noqa: PLC0415
    from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import offer_key  # noqa: PLC0415

    row = Row(f"{_ROBOTS} robots at a router", "0.03 cores, 60 MB, none lost")
    if why_none():
        return _not_tried(row)
    with laid() as world, contextlib.ExitStack() as stack:
        router = world.router(is_secure=False)
        hub = world.hosts["hub"].address
        config = zenoh_config(UplinkEntry.model_validate({"connect": [hub], "insecure": True}))
        with world.hosts["r1"].entered():
            robots = [stack.enter_context(open_session(config)) for _ in range(_ROBOTS)]
        puts = [each.declare_publisher(f"dsmq/r{at}/imu") for at, each in enumerate(robots)]
        kind, tokens = String.type_name, []
        for at, each in enumerate(robots):
            offer = TopicOffer(f"r{at}", str(each.zid()), f"e{at}", f"r{at}/imu", kind)
            tokens.append(each.liveliness().declare_token(offer_key(offer)))
        base = world.fleet.machine(
            *("--connect", hub, "--insecure", "--subscribe=/*/imu"), host=world.hosts["base"]
        )
        heard = [world.fleet.listen(base, String, f"/r{at}/imu") for at in range(_ROBOTS)]
        ids = itertools.count(1)

        def publish() -> int:
            number = next(ids)
            for at, each in enumerate(puts):
                head = msgspec.msgpack.encode((f"e{at}", number, number - 1))
                each.put(b'{"data":"%06d%b"}' % (number, b"x" * 680), attachment=head)
            return number

        def all_hear() -> bool:
            publish()
            world.fleet.spin_for(0.1)
            return all(each.got for each in heard)

        world.fleet.until(all_hear, "all robots")
        assert base.uplink is not None
        used, reads = Used(router.process.pid), Used(base.uplink.process.pid)
        rounds = round(scale.cpu_sec * 20)
        begun_sec = time.monotonic()
        for number in range(rounds):
            publish()
            world.fleet.spin_for(max(0.0, begun_sec + (number + 1) / 20 - time.monotonic()))
        cores, memory = used.cores(), used.process.memory_info().rss / 2**20
        base_cores = reads.cores()
        world.fleet.spin_for(1.0)
        last = 0

        def all_here() -> bool:  # what a topic has lost is counted with its next message
            nonlocal last
            last = publish()
            world.fleet.spin_for(0.2)
            return all(int(each.got[-1].data[:6]) == last for each in heard)

        world.fleet.until(all_here, "the last messages")
        lost = sum(each.dropped for each in heard)
        row.measured = (
            f"{cores:.3f} cores, {memory:.0f} MB, {lost} of {rounds * _ROBOTS} lost and counted; "
            f"the base's uplink {base_cores:.3f} cores"
        )
        row.met = cores <= 0.03 and memory <= 60 and not lost
        silent = sum(
            last - int(each.got[0].data[:6]) + 1 - len(each.got) - each.dropped for each in heard
        )
        row.expect(silent, "messages lost in silence")
    return row


ROWS: Final[dict[str, Callable[[Scale], Row]]] = {
    "lossy_5": lambda scale: lossy(scale, 5, "", 60),
    "lossy_tls_5": lambda scale: lossy(scale, 5, "tls/", 60),
    "lossy_udp_5": lambda scale: lossy(scale, 5, "udp/", 60),
    "lossy_20": lambda scale: lossy(scale, 20, "", 60),
    "lossy_tls_20": lambda scale: lossy(scale, 20, "tls/", 60),
    "lossy_udp_20": lambda scale: lossy(scale, 20, "udp/", 60),
    "slow_tcp": lambda scale: slow(scale, routed=False, is_secure=False),
    "slow_tls": lambda scale: slow(scale, routed=False, is_secure=True),
    "slow_udp": lambda scale: slow(scale, routed=False, is_secure=True, kind="udp/"),
    "slow_router_tcp": lambda scale: slow(scale, routed=True, is_secure=False),
    "slow_router_tls": lambda scale: slow(scale, routed=True, is_secure=True),
    "cut_tls": lambda scale: cut(scale, ""),
    "cut_udp": lambda scale: cut(scale, "udp/"),
    "cpu_tls": lambda scale: processor(scale, ""),
    "cpu_udp": lambda scale: processor(scale, "udp/"),
    "fifty_robots": fifty,
}

if __name__ == "__main__":
    sys.exit(table.run("tests.bench.uplink", __doc__, ROWS, (Scale(), QUICK), "peer"))
