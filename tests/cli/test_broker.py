"""`dsmq-nodes broker`, and the original's demonstration in three terminals."""

import socket
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Place
from tests.support.ipv6 import needs_ipv6


def test_ctrl_c_ends_the_broker_without_a_word(nowhere: Place) -> None:
    broker = nowhere.start("broker", "--port", "0")
    broker.wait_for(r"^dsmq broker listening on 127\.0\.0\.1:\d+")
    assert (broker.interrupt(), broker.errors) == (0, [])
    nowhere.close()


@needs_ipv6
def test_an_address_of_ipv6_may_be_written_as_in_a_url(nowhere: Place, tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(
        "broker: {host: '[::1]', port: 0}\nnodes: [{name: a, node: 'examples.talker:Talker'}]\n"
    )
    for given in (("broker", "--host", "[::1]", "--port", "0"), ("launch", str(file))):
        program = nowhere.start(*given)
        program.wait_for(r"dsmq broker listening on ::1:\d+")
        assert program.interrupt() == 0
    nowhere.close()


def test_a_port_in_use_is_said_in_one_line(nowhere: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = nowhere.run("broker", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"port {port} on 127.0.0.1 is in use: ")
    assert done.stderr.count("\n") == 1


def test_the_end_of_the_broker_is_said_by_who_used_it(
    nowhere: Place,
) -> None:
    broker = nowhere.start("broker", "--port", "0")
    port = broker.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
    place = Place(f"127.0.0.1:{port}")
    place.latch("/last", "{}")
    echo = place.start("topic", "echo", "/last")
    echo.wait_for("---")
    broker.interrupt()
    assert echo.wait() == 1
    assert echo.errors == [f"lost the broker at 127.0.0.1:{port}: it was told to stop\n"]
    place.close()
    nowhere.close()


def test_three_terminals(own_place: Callable[[], Place]) -> None:
    place = own_place()
    where = ("127.0.0.1", str(place.port))
    get = place.start_python("examples/get_client.py", *where, "--count", "2")
    put = place.start_python("examples/put_client.py", *where)
    assert (get.wait(), get.errors) == (0, [])
    assert get.lines == ["client received 0. Hello, world", "client received 1. Hello, world"]
    assert (put.interrupt(), put.errors) == (0, [])
    assert put.lines[:2] == ["client sent 0. Hello, world", "client sent 1. Hello, world"]


def test_the_putting_client_ends_after_its_count(place: Place) -> None:
    put = place.start_python("examples/put_client.py", "127.0.0.1", str(place.port), "--count", "1")
    assert (put.wait(), put.errors, put.lines) == (0, [], ["client sent 0. Hello, world"])
