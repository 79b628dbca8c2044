"""Certificates and rights: who may write and read what."""

import contextlib
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import QoSProfile
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages import Int64
from tests.gateways.uplink.fleet import Fleet, Talker, command
from tests.support.processes import ROOT
from tests.support.reserved import free_port

zenoh = pytest.importorskip("zenoh")
pytest.importorskip("cryptography")

from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry  # noqa: E402
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_carrier import open_session  # noqa: E402
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_config import zenoh_config  # noqa: E402
from dsmq_nodes.gateways.uplink.uplink_keys import make_keys  # noqa: E402


def tls(keys: Path, name: str) -> dict[str, Any]:
    return {
        "ca": str(keys / "ca.pem"),
        "certificate": str(keys / f"{name}.pem"),
        "key": str(keys / f"{name}.key"),
    }


def test_keys_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    made = command("uplink", "keys", str(tmp_path / "keys"), "base=10.0.0.5", "r1")
    assert made.wait() == 0
    made.close()
    for name in ("ca", "base", "r1"):
        assert stat.S_IMODE((tmp_path / "keys" / f"{name}.key").stat().st_mode) == 0o600
    again = command("uplink", "keys", str(tmp_path / "keys"), "r2", "r1")
    assert again.wait() == 1
    assert "r1.pem exists already: leave r1 out, " in again.output
    assert not (tmp_path / "keys" / "r2.pem").exists()
    again.close()


def test_certificates_count_where_they_are_checked_strictly(tmp_path: Path) -> None:
    """As Python 3.13 and newer do."""
    make_keys(tmp_path, ["hub"])
    router, machine = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    router.load_cert_chain(tmp_path / "hub.pem", tmp_path / "hub.key")
    machine.load_verify_locations(tmp_path / "ca.pem")
    machine.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    dialled = machine.wrap_bio(back, there, server_hostname="hub")
    accepted = router.wrap_bio(there, back, server_side=True)
    for end in (dialled, accepted, dialled):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert dialled.getpeercert()


def test_keys_on_a_full_disk_are_whole_or_not_there(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    line = f"ulimit -f 0; exec {sys.executable} -m dsmq_nodes uplink keys {keys} r1"
    full = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, cwd=ROOT)
    assert full.returncode == 1
    assert f"{keys}/ca.key: File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list(keys.iterdir())
    make_keys(keys, ["r1"])
    assert len(list(keys.iterdir())) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names")
def test_a_pipe_in_place_of_a_certificate_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.pem")
    with pytest.raises(CommandError, match=r"ca.pem is no file"):
        make_keys(tmp_path, ["r1"])
    entry = UplinkEntry.model_validate({"connect": ["hub"], "tls": tls(tmp_path, "r1")})
    with pytest.raises(CommandError, match=r"the ca .*ca.pem is no file"):
        entry.check_files()


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit")
@pytest.mark.parametrize("most", [18, 22, 28])
def test_a_process_that_may_open_few_files_says_so(fleet: Fleet, most: int) -> None:
    robot = fleet.machine()
    words = f"uplink --as r1 --publish /odom --listen 127.0.0.1:{free_port()}"
    line = f"ulimit -n {most}; exec {sys.executable} -m dsmq_nodes {words}"
    command = ["sh", "-c", f"{line} --broker {robot.address}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert f"all the {most} files open that it may have" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("name", ["é", "1r", "r1=hüb", "a/b", "ca"])
def test_a_machine_has_a_name_that_launch_files_take(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError):
        make_keys(tmp_path, [name])


@pytest.mark.parametrize("text", ["", "no key"])
def test_an_authority_that_is_not_whole_is_told(tmp_path: Path, text: str) -> None:
    make_keys(tmp_path, ["r1"])
    (tmp_path / "ca.key").write_text(text)
    with pytest.raises(CommandError, match="are not an authority"):
        make_keys(tmp_path, ["r2"])


def test_a_certificate_that_expires_soon_and_an_open_key_are_told(
    tmp_path: Path, fleet: Fleet
) -> None:
    make_keys(tmp_path, ["hub"], days=10.5)
    (tmp_path / "hub.key").chmod(0o644)
    where = f"127.0.0.1:{free_port()}"
    router = fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), "--robot", "r1")
    assert "hub.pem expires in 10 days, on " in router.output
    assert f"chmod 600 {tmp_path}/hub.key" in router.output


def test_a_certificate_gives_the_rights_of_its_name_and_no_others(
    tmp_path: Path, fleet: Fleet
) -> None:
    make_keys(tmp_path, ["hub", "base", "r1", "r2"])
    where = f"127.0.0.1:{free_port()}"
    rights = ("--robot", "r1", "--robot", "r2", "--base", "base")
    router = fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), *rights)
    robot = fleet.machine(
        *("--as", "r1", "--connect", where, "--tls", str(tmp_path / "r1")),
        *("--publish", "/odom", "--publish", "/map", "--subscribe", "/cmd"),
    )
    base = fleet.machine(
        *("--connect", where, "--tls", str(tmp_path / "base")),
        *("--subscribe", "/r*/odom", "--subscribe", "/r*/map", "--publish", "/r*/cmd"),
    )
    latched = QoSProfile(depth=1, durability="transient_local")
    mapper = fleet.node("mapper", robot).create_publisher(Int64, "/map", latched)
    mapper.publish(Int64(data=7))
    mapped = fleet.listen(base, Int64, "/r1/map", latched)
    fleet.until(lambda: mapped.got, "an answer out of the robot's log")
    odom, cmd = Talker(fleet, robot, "/odom"), Talker(fleet, base, "/r1/cmd")
    heard = fleet.listen(base, Int64, "/r1/odom")
    commanded = fleet.listen(robot, Int64, "/cmd")
    fleet.until(lambda: len(heard.got) > 10 and len(commanded.got) > 10, "both ways")

    entry = UplinkEntry.model_validate({"connect": [where], "tls": tls(tmp_path, "r2")})
    forger = open_session(zenoh_config(entry))
    try:
        spied: list[str] = []
        own: list[str] = []
        for key, inbox in (("dsmq/r1/**", spied), ("dsmq/@offer/**", spied), ("dsmq/r2/x", own)):
            forger.declare_subscriber(
                key,
                lambda sample, inbox=inbox: inbox.append(str(sample.key_expr)),
                allowed_origin=zenoh.Locality.REMOTE,
            )
        before = base.status()["coming"]["/r1/odom"]["duplicates"]
        for _ in range(3):
            forger.put("dsmq/r1/odom", b'{"data": 666}', attachment=b"\x93\xa1x\x01\x00")
        token = "dsmq/@offer/r1/p/2/e/0/std_msgs%2Fmsg%2FInt64/-/r1/forged"
        forger.liveliness().declare_token(token)
        fleet.spin_for(1.0)
        assert not spied
        assert 666 not in [msg.data for msg in heard.got]
        status = base.status()
        assert status["coming"]["/r1/odom"]["duplicates"] == before
        assert "/r1/forged" not in status["coming"]
        fleet.until(lambda: router.drained().count("refused") >= 4, "the lines")
        said = router.drained().replace("[WARNING] [dsmq_nodes.uplink]: ", "")
        for told in (
            "r2 may not write /r1/odom",
            "r2 may not read /r1/**",
            "r2 wants the fleet, as bases may: write `as: r2` there, or name it in bases",
            "r2 calls itself r1, but its certificate does not: write `as: r2` there",
        ):
            assert f"refused: {told}" in said.splitlines(), said
        assert said.count("refused") == 4, "each once, and nothing of what the others do"
    finally:
        forger.close()
    odom.stop()
    cmd.stop()


def test_a_name_that_its_certificate_has_not_is_told_in_one_line_at_each_end(
    tmp_path: Path, fleet: Fleet
) -> None:
    make_keys(tmp_path, ["hub", "r1", "r2"])
    where = f"127.0.0.1:{free_port()}"
    rights = ("--robot", "r1", "--robot", "r2")
    router = fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), *rights)
    robot = fleet.machine(
        *("--as", "r1", "--connect", where, "--tls", str(tmp_path / "r2")), "--publish", "/*"
    )
    for topic in ("/odom", "/map"):
        Talker(fleet, robot, topic)
    assert robot.uplink is not None
    robot.uplink.wait_for(r"r2.pem is for 'r2', not for r1 \(as\)")
    router.wait_for(
        "refused: r2 calls itself r1, but its certificate does not: write `as: r2` there"
    )
    fleet.until(lambda: len(robot.status()["going"]) == 2, "the offers")
    fleet.spin_for(0.5)
    assert router.drained().count("refused") == 1


@pytest.mark.parametrize(
    ("who", "kind", "told"),
    [
        ("foreign", "tls", "the router's certificate is refused"),
        ("impostor", "tls", "the router refuses this machine's certificate"),
        ("expired", "tls", "the router refuses this machine's certificate: certificate expired"),
        ("foreign", "udp", "the router's certificate is refused"),
        ("expired", "udp", "the router refuses this machine's certificate: certificate expired"),
    ],
)
def test_certificates_that_do_not_count_are_refused_in_one_line(
    tmp_path: Path, fleet: Fleet, who: str, kind: str, told: str
) -> None:
    make_keys(tmp_path, ["hub"])
    make_keys(tmp_path, ["expired"], days=-1)
    make_keys(tmp_path / "other", ["foreign", "impostor"])
    where = f"{kind}/127.0.0.1:{free_port()}"
    fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), "--robot", "r1")
    files = tls(tmp_path if who == "expired" else tmp_path / "other", who)
    if who == "impostor":  # it knows the fleet's authority, which has not signed it
        files["ca"] = str(tmp_path / "ca.pem")
    (tmp_path / "uplink.yaml").write_text(
        f"uplink: {{as: r1, connect: ['{where}'], publish: [/x], tls: {files}}}\n"
    )
    machine = fleet.machine(str(tmp_path / "uplink.yaml"))
    assert machine.uplink is not None
    machine.uplink.wait_for(told)
    assert not machine.status()["links"]


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_machine_without_certificates_is_told_that_the_router_wants_them(
    tmp_path: Path, fleet: Fleet, kind: str
) -> None:
    make_keys(tmp_path, ["hub"])
    where = f"127.0.0.1:{free_port()}"
    router = fleet.router("--listen", where, "--tls", str(tmp_path / "hub"), "--robot", "r1")
    robot = fleet.machine("--as", "r1", "--connect", f"{kind}/{where}", "--publish", "/x")
    assert robot.uplink is not None
    robot.uplink.wait_for(f"the router at {kind}/{where} needs certificates")
    router.wait_for("refused: a connection without certificates: set tls there")


def test_a_router_that_is_back_with_another_authority_is_told_and_renewed_files_count(
    tmp_path: Path, fleet: Fleet
) -> None:
    for authority in ("old", "new"):
        make_keys(tmp_path / authority, ["hub", "r1"])
    where = f"127.0.0.1:{free_port()}"
    listen = ("--listen", where, "--robot", "r1", "--tls")
    router = fleet.router(*listen, str(tmp_path / "old" / "hub"))
    connect = ("--connect", where, "--tls", str(tmp_path / "old" / "r1"))
    robot = fleet.machine("--as", "r1", *connect, "--publish", "/x")
    fleet.until(lambda: robot.status()["links"], "the connection")
    router.kill()
    assert robot.uplink is not None
    robot.uplink.wait_for("no router at .*: Connection refused")
    fleet.router(*listen, str(tmp_path / "new" / "hub"))
    robot.uplink.wait_for("the router's certificate is refused: .*; trying again")
    for file in ("ca.pem", "r1.pem", "r1.key"):
        (tmp_path / "old" / file).write_bytes((tmp_path / "new" / file).read_bytes())
    robot.uplink.wait_for("the link is back")


def test_a_router_wants_to_know_who_may_connect(tmp_path: Path) -> None:
    make_keys(tmp_path, ["hub"])
    router = command("uplink", "router", "--listen", "0.0.0.0:1", "--tls", str(tmp_path / "hub"))
    assert router.wait() == 1
    assert "set who may connect" in router.output
    router.close()
