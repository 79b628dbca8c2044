"""The table of access: who passes and who does not."""

import pytest

from dsmq_nodes.errors import InsecureError
from dsmq_nodes.gateways.web.access import AccessRules, RequestHead
from dsmq_nodes.gateways.web.launch_entry import WebEntry

RULES = AccessRules(["robot.lab"], ["https://lab.example"], own_names={"localhost", "pi"})
OURS = "127.0.0.1:8080"


def head(**given: object) -> RequestHead:
    told = {"method": "GET", "host": OURS, "peer": "127.0.0.1", **given}
    return RequestHead(**told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [OURS, "localhost:8080", "LOCALHOST", "[::1]:8080", "192.168.0.7", "pi:80", "Robot.Lab", "pi."],
)
def test_its_own_names_and_any_address_pass(host: str) -> None:
    assert RULES.refusal(head(host=host)) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "[::1", "pi.evil", "evil@127.0.0.1", "pi/evil"],
)
def test_a_foreign_name_is_refused(host: str) -> None:
    refusal = RULES.refusal(head(host=host))
    assert refusal is not None
    assert (refusal.status, "--name" in refusal.text) == (403, True)


@pytest.mark.parametrize(
    ("origin", "host", "peer", "passes"),
    [
        (None, OURS, "127.0.0.1", True),
        (f"http://{OURS}", OURS, "127.0.0.1", True),
        ("http://127.0.0.1:3000", OURS, "127.0.0.1", True),
        ("http://localhost:3000", OURS, "127.0.0.1", True),
        ("http://localhost:3000", "192.168.0.7:8080", "192.168.0.9", False),
        ("http://localhost:3000", OURS, "192.168.0.9", False),
        ("https://lab.example", OURS, "127.0.0.1", True),
        ("http://lab.example", OURS, "127.0.0.1", False),
        ("https://lab.example.evil", OURS, "127.0.0.1", False),
        ("http://evil.example", OURS, "127.0.0.1", False),
        ("http://127.0.0.1.evil.example", OURS, "127.0.0.1", False),
        ("http://192.168.0.7", "192.168.0.7:8080", "192.168.0.9", True),
        ("null", OURS, "127.0.0.1", False),
        ("", OURS, "127.0.0.1", False),
        ("file://", OURS, "127.0.0.1", False),
        ("chrome-extension://127.0.0.1", OURS, "127.0.0.1", False),
    ],
)
def test_a_websocket_is_opened_by_pages_from_here_alone(
    origin: str | None, host: str, peer: str, *, passes: bool
) -> None:
    for asked in (
        head(host=host, peer=peer, origin=origin, is_websocket=True),
        head(host=host, peer=peer, origin=origin, method="POST"),
    ):
        refusal = RULES.refusal(asked)
        assert (refusal is None) == passes
        assert refusal is None or refusal.status == 403


def test_an_endpoint_may_have_sites_of_its_own() -> None:
    asked = head(origin="https://app.foxglove.dev", is_websocket=True)
    assert RULES.refusal(asked) is not None
    assert RULES.refusal(asked._replace(origins=("https://app.foxglove.dev",))) is None


def test_looking_needs_no_origin_but_a_token_where_there_is_one() -> None:
    rules = AccessRules(token="secret")
    assert RULES.refusal(head(origin="http://evil.example")) is None
    assert rules.refusal(head(tokens=["", "secret"])) is None
    for tokens in ([], [""], ["secre"], ["secret "], ["geheim\u00fc", "\udcff"]):
        refusal = rules.refusal(head(tokens=tokens))
        assert refusal is not None
        assert refusal.status == 401


def test_another_user_of_this_machine_needs_a_token() -> None:
    theirs = head(is_other_user=True)
    refusal = RULES.refusal(theirs)
    assert refusal is not None
    assert (refusal.status, "DSMQ_WEB_TOKEN" in refusal.text) == (403, True)
    assert AccessRules(token="secret").refusal(theirs._replace(tokens=["secret"])) is None
    assert AccessRules(is_insecure=True).refusal(theirs) is None


def test_beyond_this_machine_it_opens_only_with_a_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"):
        WebEntry(host=host).check_exposure({})
    WebEntry(host="0.0.0.0").check_exposure({"DSMQ_WEB_TOKEN": "secret"})
    WebEntry(host="0.0.0.0", token_file="token").check_exposure({})
    WebEntry(host="0.0.0.0", insecure=True).check_exposure({})
    for host in ("0.0.0.0", "::", "192.168.0.7", "robot.lab"):
        with pytest.raises(InsecureError, match="DSMQ_WEB_TOKEN"):
            WebEntry(host=host).check_exposure({"DSMQ_WEB_TOKEN": ""})


def test_a_key_without_a_certificate_does_not_open_without_tls() -> None:
    with pytest.raises(InsecureError, match=r"web\.key needs a certificate \(--tls-cert"):
        WebEntry(tls_key="web.key").check_exposure({})
