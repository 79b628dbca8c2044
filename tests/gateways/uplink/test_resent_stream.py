"""A stream over datagrams that are lost, doubled, late or out of order."""

import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.over_udp import resent_stream
from dsmq_nodes.gateways.uplink.over_udp.resent_stream import ResentStream
from dsmq_nodes.gateways.uplink.over_udp.udp_relay import UdpRelay
from tests.support.reserved import free_port
from tests.support.waiting import PATIENCE_SEC

NAME = b"12345678"


class BadLink:
    """Two ends, and a link in virtual time that takes 1 ms, or as long as a slow one needs."""

    def __init__(
        self, chance: random.Random, lost: float = 0.0, doubled: float = 0.0, bytes_a_sec: int = 0
    ) -> None:
        self.most_bytes = 1280  # of a packet
        self.ends = [ResentStream(NAME, is_dialled=True), ResentStream(NAME, is_dialled=False)]
        self.now_sec, self.sent = 1.0, 0
        self.got = [b"", b""]
        self._chance, self._lost, self._doubled = chance, lost, doubled
        self._bytes_a_sec, self._free_sec = bytes_a_sec, [0.0, 0.0]
        self._under_way: list[tuple[float, int, bytes]] = []

    def run(self, duration_sec: float) -> None:
        until_sec = self.now_sec + duration_sec
        while self.now_sec < until_sec:
            for number in (0, 1):
                for packet in self.ends[number].packets(self.now_sec):
                    self._send(number, packet)
            self.now_sec += 0.001
            due = sorted(each for each in self._under_way if each[0] <= self.now_sec)
            self._under_way = [each for each in self._under_way if each[0] > self.now_sec]
            for _, number, packet in due:
                self.got[number] += self.ends[number].receive(packet, self.now_sec)

    def _send(self, number: int, packet: bytes) -> None:
        self.sent += 1
        arrives_sec = self.now_sec
        if self._bytes_a_sec:
            arrives_sec = max(self._free_sec[number], arrives_sec)
            arrives_sec += len(packet) / self._bytes_a_sec
            self._free_sec[number] = arrives_sec
        for _ in range(1 + (self._chance.random() < self._doubled)):
            if self._chance.random() >= self._lost and len(packet) <= self.most_bytes:
                late_sec = self._chance.choice([0.001, 0.001, 0.004])
                self._under_way.append((arrives_sec + late_sec, 1 - number, packet))


@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=4000)), max_size=20),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from([0.0, 0.3]),
)
def test_all_that_is_written_comes_once_and_in_order(
    seed: int, written: list[tuple[int, bytes]], lost: float, doubled: float
) -> None:
    link = BadLink(random.Random(seed), lost, doubled)
    whole = [b"", b""]
    for number, data in written:
        link.ends[number].write(data)
        whole[1 - number] += data
        link.run(0.01)
    for _ in range(60):
        if link.got == whole:
            break
        link.run(0.5)
    assert link.got == whole
    link.ends[0].end()
    for _ in range(60):
        if link.ends[1].is_over:
            break
        link.run(0.5)
    assert link.ends[1].is_over


def ages_sec(link: BadLink, sizes: list[int], every_sec: float = 0.02) -> list[float]:
    """How old messages are when they have come whole."""
    ends, written, ages, done = [], 0, list[float](), 0
    for size in sizes:
        link.ends[0].write(bytes(size))
        written += size
        ends.append((written, link.now_sec))
        for _ in range(round(every_sec / 0.001)):
            link.run(0.001)
            while done < len(ends) and len(link.got[1]) >= ends[done][0]:
                ages.append(link.now_sec - ends[done][1])
                done += 1
    return ages


def test_with_one_packet_of_five_lost_99_of_100_messages_are_younger_than_60_ms() -> None:
    link = BadLink(random.Random(1), lost=0.2)
    link.run(0.5)
    found = sorted(ages_sec(link, [7650, 650, 650, 650, 650] * 100))
    assert found[int(0.99 * len(found))] < 0.06
    assert link.sent < 2.2 * 100 * 11 / 0.8, "an acknowledgement for each, and little else"


def test_what_is_under_way_on_a_slow_link_is_little_and_the_rest_waits_at_the_sender() -> None:
    link = BadLink(random.Random(1), bytes_a_sec=37_500)
    link.run(0.5)
    _fill(link, 2.0)
    came, sent = len(link.got[1]), link.sent
    _fill(link, 5.0)
    came, sent = len(link.got[1]) - came, link.sent - sent
    assert came > 0.9 * 37_500 * 5 * 1000 / 1045, "the link is used"
    assert len(link._under_way) < 6, "0.15 s"
    assert sent < 1.05 * 2 * came / 1000, "what is late is not taken for lost"


@pytest.mark.parametrize(("lost", "most_bytes", "wanted"), [(1.0, 1280, False), (0.0, 548, True)])
def test_large_packets_that_never_come_are_told_from_an_outage(
    lost: float, most_bytes: int, *, wanted: bool
) -> None:
    link = BadLink(random.Random(1))
    link.run(0.5)
    link._lost, link.most_bytes = lost, most_bytes
    link.ends[0].write(bytes(400 if lost else 1000))
    link.run(2.0)
    assert link.ends[0].loses_large is wanted
    assert not link.ends[1].loses_large


def _fill(link: BadLink, duration_sec: float) -> None:
    """Always have something to send."""
    for _ in range(round(duration_sec / 0.01)):
        if link.ends[0].waiting_bytes < 2000:
            link.ends[0].write(bytes(1000))
        link.run(0.01)


@pytest.mark.parametrize("who", [0, 1])
def test_an_end_that_hears_nothing_more_gives_up(who: int) -> None:
    link = BadLink(random.Random(1))
    link.run(0.1)
    link.ends[who].write(b"x")
    link._lost = 1.0
    link.run(9.0)
    assert not link.ends[who].is_lost(link.now_sec)
    link.run(2.0)
    assert link.ends[who].is_lost(link.now_sec)


@given(st.binary(max_size=60))
def test_what_is_no_packet_is_refused_or_harmless(noise: bytes) -> None:
    try:
        resent_stream.header_of(noise)
    except ValueError:
        return
    ResentStream(noise[:8], is_dialled=False).receive(noise, 1.0)


def test_an_address_that_does_not_answer_opens_no_connection() -> None:
    port = free_port()
    relayed = UdpRelay().relayed(UplinkEntry(listen=[f"udp/127.0.0.1:{port}"]))
    zenoh_port = int(relayed.listen[0].rpartition(":")[2])
    with (
        socket.create_server(("127.0.0.1", zenoh_port)) as zenoh,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as machine,
    ):
        machine.settimeout(PATIENCE_SEC)
        machine.connect(("127.0.0.1", port))
        end = ResentStream(NAME, is_dialled=True)
        (opening,) = end.packets(1.0)
        machine.send(opening)
        answer = machine.recv(2048)
        assert len(answer) <= len(opening)
        zenoh.setblocking(False)
        with pytest.raises(BlockingIOError):
            zenoh.accept()
        end.receive(answer, 1.01)
        (opening,) = end.packets(1.01)
        machine.send(opening)
        zenoh.settimeout(PATIENCE_SEC)
        zenoh.accept()[0].close()


def test_a_stranger_who_opens_many_connections_keeps_no_other_machine_out() -> None:
    port = free_port()
    relayed = UdpRelay().relayed(UplinkEntry(listen=[f"udp/127.0.0.1:{port}"]))
    with socket.create_server(
        ("127.0.0.1", int(relayed.listen[0].rpartition(":")[2])), backlog=100
    ) as zenoh:
        zenoh.settimeout(PATIENCE_SEC)
        accepted = list[socket.socket]()
        for host, count in (("127.0.0.1", 60), ("127.0.0.2", 1)):
            for number in range(count):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as machine:
                    machine.bind((host, 0))
                    machine.settimeout(PATIENCE_SEC)
                    machine.connect(("127.0.0.1", port))
                    end = ResentStream(b"%8d" % (number + 1000 * count), is_dialled=True)
                    machine.send(end.packets(1.0)[0])
                    end.receive(machine.recv(2048), 1.01)
                    machine.send(end.packets(1.01)[0])
        while len(accepted) < 17:
            accepted.append(zenoh.accept()[0])
        zenoh.settimeout(0.2)
        with pytest.raises(TimeoutError):
            zenoh.accept()
        for each in accepted:
            each.close()


def test_a_connection_whose_router_is_not_there_yet_is_ended_at_once() -> None:
    port = free_port()
    UdpRelay().relayed(UplinkEntry(listen=[f"udp/127.0.0.1:{port}"]))
    end = ResentStream(NAME, is_dialled=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as machine:
        machine.settimeout(PATIENCE_SEC)
        machine.connect(("127.0.0.1", port))
        now_sec = 1.0
        while not end.is_over:
            for packet in end.packets(now_sec):
                machine.send(packet)
            end.receive(machine.recv(2048), now_sec)
            now_sec += 0.01


def test_a_packet_of_another_version_is_none() -> None:
    (opening,) = ResentStream(NAME, is_dialled=True).packets(1.0)
    resent_stream.header_of(opening)
    later = opening[:8] + bytes([opening[8] + 0x10]) + opening[9:]
    with pytest.raises(ValueError, match="no packet"):
        resent_stream.header_of(later)
