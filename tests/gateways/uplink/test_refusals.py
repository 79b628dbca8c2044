"""What is told of the log that Zenoh writes of its access control."""

import pytest

pytest.importorskip("zenoh")

from dsmq_nodes.gateways.uplink.over_zenoh.refusals import Refusals

_SUBJECT = "9f on Interface(lo)+CertCommonName(r2)+Transport(Tls)+9f"


def told(*lines: str) -> list[str]:
    refusals = Refusals(["r1", "r2"])
    return [told for line in lines for told in refusals.read(line)]


def test_an_attempt_is_told_once_and_a_right_that_is_tried_for_later_is_not() -> None:
    put = "is unauthorized to Put (ingress) on dsmq/r1/a%23b"
    assert (
        told(
            "TRACE ACL (ingress): caching permissions for `dsmq/r1/a%23b` ...",
            f"{_SUBJECT} is unauthorized to Query (ingress) on dsmq/r1/a%23b",
            f"{_SUBJECT} {put}",
            f"{_SUBJECT} is unauthorized to Put (egress) on dsmq/r1/a%23b",
        )
        == []
    )
    assert told(
        "ACL (ingress): caching permissions for `dsmq/r1/a%23b` ...",
        f"{_SUBJECT} {put}",
        f"Using cached result: 9f {put}",
        f"Using cached result: 9f {put}",
    ) == ["refused: r2 may not write /r1/a#b"]
    assert told(f"{_SUBJECT} {put}") == ["refused: r2 may not write /r1/a#b"]


def test_a_connection_that_is_no_tls_is_told_apart_from_a_certificate_that_does_not_count() -> None:
    log = "WARN acc-0 ThreadId(05) zenoh_link_tls::unicast: "
    assert told(
        f"{log}received corrupt message of type InvalidContentType. Hint: increase the limit.",
        f"{log}peer sent no certificates. Hint: increase the limit.",
        f"{log}invalid peer certificate: BadSignature. Hint: increase the limit.",
        f"{log}invalid peer certificate: certificate expired: verification time 5 (UNIX)",
        f"{log}tls handshake eof. Hint: increase the limit.",
    ) == [
        "refused: a connection without certificates: set tls there",
        "refused: a connection with a certificate that is not accepted: BadSignature",
        "refused: a connection with a certificate that is not accepted: certificate expired",
    ]


def test_a_machine_without_any_right_is_told_once() -> None:
    subject = _SUBJECT.replace("r2", "r3")
    assert told(
        f"{subject} is unauthorized to Declare Subscriber (ingress) on dsmq/r3/x",
        f"{subject} is unauthorized to Declare Queryable (ingress) on dsmq/@log/r3/9f/r3/**",
    ) == ["refused: r3 has no rights here: name it in robots or bases"]
    token = "is unauthorized to Liveliness Token (ingress) on dsmq"  # of no subject of the rights
    assert told(
        f"Using cached result: 9f {token}/@name/r3/9f",
        f"Using cached result: 9f {token}/@offer/r3/9f/2/4a/0/std_msgs%2Fmsg%2FBool/4a/r3/x",
    ) == ["refused: what calls itself r3 has no rights here: name it in robots or bases"]
