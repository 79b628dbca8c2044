"""Frames and objects: what the wire's docstring says is so, whatever bytes arrive."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES, MOST_PUSH_BYTES
from dsmq_nodes.dsmq.original import as_original_text
from dsmq_nodes.errors import WireError

# What UTF-8 can carry: no half of a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]))
bodies = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6)


def frame(body: bytes) -> bytes:
    """A frame as dsmq 0.7.0 makes it."""
    return json.dumps({"msg_length": len(body) + 1_000_000}).encode() + body


def decode(chunks: list[bytes]) -> list[bytes]:
    decoder = wire.FrameDecoder()
    return [body for chunk in chunks for body in decoder.feed(chunk)]


def decode_until_fault(chunks: list[bytes]) -> tuple[list[bytes], bool]:
    decoder = wire.FrameDecoder()
    found: list[bytes] = []
    try:
        for chunk in chunks:
            for body in decoder.feed(chunk):
                found.append(body)  # noqa: PERF402  keeps what came before a fault
    except WireError:
        return found, True
    return found, False


# --- frames --------------------------------------------------------------------------------------


@given(bodies)
def test_a_frame_is_the_originals(contents: list[bytes]) -> None:
    assert [wire.encode_frame(body) for body in contents] == [frame(body) for body in contents]


@given(bodies, st.data())
def test_any_cut_of_a_stream_decodes_the_same(contents: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, contents))
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    places = [0, *sorted(cuts), len(stream)]
    assert decode([stream[a:b] for a, b in pairwise(places)]) == contents


@given(bodies)
def test_a_stream_byte_by_byte(contents: list[bytes]) -> None:
    stream = b"".join(map(frame, contents))
    assert decode([stream[i : i + 1] for i in range(len(stream))]) == contents


@pytest.mark.slow
def test_every_cut_of_a_thousand_frames_decodes_the_same() -> None:
    for number in range(1000):
        body = json.dumps({"action": "put", "topic": f"t{number}", "message": "é" * (number % 40)})
        stream = frame(body.encode())
        for cut in range(len(stream) + 1):
            assert decode([stream[:cut], stream[cut:]]) == [body.encode()]


@pytest.mark.parametrize("slice_bytes", [1448, 65_536, 9_000_023])
def test_the_largest_frame_in_slices(slice_bytes: int) -> None:
    body = b"x" * MAX_BODY_BYTES
    stream = frame(b"before") + frame(body) + frame(b"after")
    chunks = [stream[i : i + slice_bytes] for i in range(0, len(stream), slice_bytes)]
    assert decode(chunks) == [b"before", body, b"after"]


def test_nothing_is_held_between_frames() -> None:
    decoder = wire.FrameDecoder()
    stream = frame(b"abc")
    assert list(decoder.feed(stream[:24])) == []
    assert decoder.buffered_bytes == 24
    assert list(decoder.feed(stream[24:])) == [b"abc"]
    assert decoder.buffered_bytes == 0


@given(st.lists(st.binary(max_size=80)))
@example([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
@example([b'{"msg_length": ', b"-000001}"])
def test_arbitrary_bytes_raise_nothing_but_the_wires_error(chunks: list[bytes]) -> None:
    decode_until_fault(chunks)


@given(st.lists(st.binary(max_size=60)), st.sampled_from([frame(b"{}"), b'{"msg_length": 10']))
def test_arbitrary_bytes_behind_a_good_start(chunks: list[bytes], start: bytes) -> None:
    decode_until_fault([start, *chunks])


@given(bodies, st.integers(1, 40))
def test_good_frames_before_garbage_are_given(contents: list[bytes], step: int) -> None:
    stream = b"".join(map(frame, contents)) + b"GET / HTTP/1.1\r\n\r\n"
    chunks = [stream[i : i + step] for i in range(0, len(stream), step)]
    assert decode_until_fault(chunks) == (contents, True)


@pytest.mark.parametrize("garbage", [b"G", b"\x00", b"{'", b'{"msg_length":1', b"\xff"])
def test_garbage_is_refused_at_its_first_bytes(garbage: bytes) -> None:
    with pytest.raises(WireError, match="not a dsmq header"):
        list(wire.FrameDecoder().feed(garbage))


@pytest.mark.parametrize(
    "header",
    [
        b'{"msg_length": 1000000}',  # 0 bytes
        b'{"msg_length": 0999999}',  # -1
        b'{"msg_length": 0000000}',
        b'{"msg_length": -000001}',
        b'{"msg_length": 98999999}',  # 24 bytes
        b'{"msg_length": 10000000}',
        b'{"msg_length":  1000001}',
        b'{"msg_length": 1e00003}',
        b'{"msg_length": 1000.00}',
        b'{"msg_length": Infinity}',
        b'{"msg_length": "000001"}',
        b'{"MSG_LENGTH": 1000001}',
        b'{"msg_length": 1000001 ',
        '{"msg_length": 100000\u0661}'.encode()[:23],  # a digit, but not of ASCII
        '{"msg_length": 10000\u0661}'.encode(),
    ],
)
def test_a_length_that_is_none(header: bytes) -> None:
    with pytest.raises(WireError):
        list(wire.FrameDecoder().feed(header + b"x" * 30))


def test_limits_of_a_body() -> None:
    assert decode([frame(b"1")]) == [b"1"]
    assert len(wire.encode_frame(b"x" * 8_999_999)) == 8_999_999 + 23
    with pytest.raises(WireError, match="9000000 bytes is over the protocol's 8999999"):
        wire.encode_frame(b"x" * 9_000_000)


def test_a_decoder_may_have_a_lower_limit() -> None:
    decoder = wire.FrameDecoder(max_body_bytes=10)
    assert list(decoder.feed(frame(b"x" * 10))) == [b"x" * 10]
    with pytest.raises(WireError, match="a frame of 11 bytes is outside 1 to 10 here"):
        list(decoder.feed(frame(b"x" * 11)))


# --- requests and replies ------------------------------------------------------------------------


@given(texts, texts, st.integers(0, 2**53), st.integers(0, 2**63 - 1))
def test_a_put_round_trip(topic: str, message: str, seq: int, stamp_ns: int) -> None:
    put = wire.encode_put(wire.encode_text(topic), seq, stamp_ns, wire.encode_text(message))
    (body,) = decode([put])
    assert json.loads(body) == {
        "action": "put", "topic": topic, "seq": seq, "stamp": stamp_ns, "message": message,
    }  # fmt: skip
    request = wire.decode_request(body)
    assert (request.topic, request.seq, request.stamp) == (topic, seq, stamp_ns)
    assert json.loads(bytes(request.message)) == message


@given(texts, texts, texts, st.integers(1, 2**40), st.integers(0, 10**6))
def test_a_push_round_trip(topic: str, sender: str, message: str, number: int, gap: int) -> None:
    raw = wire.encode_text(message)
    request = wire.Request("put", topic, seq=5, stamp=6)
    ends = wire.encode_text(topic), number, wire.encode_text(sender)
    push = wire.encode_push(*ends, request, raw, at_ns=7)
    assert len(push) <= MOST_PUSH_BYTES
    assert wire.carried_message(push) == raw
    for sent, skipped in ((push, 0), (wire.with_gap(push, gap), gap)):
        (body,) = decode([sent])
        reply = wire.decode_reply(body)
        assert (reply.event, reply.topic, reply.id) == ("message", topic, number)
        assert (reply.sender, reply.seq, reply.stamp, reply.at) == (sender, 5, 6, 7)
        assert (reply.gap, reply.text) == (skipped, message)


@given(st.dictionaries(texts, texts | st.integers(-(2**63), 2**63 - 1) | st.booleans()))
def test_an_object_round_trip(fields: dict[str, object]) -> None:
    (body,) = decode([wire.encode_object(fields)])
    assert json.loads(body) == fields


@pytest.mark.parametrize(
    "raw",
    [
        b'"plain"',
        rb'"\u00e9\/\n"',
        '"é"'.encode(),
        rb'"\ud83d\ude00"',
        b'""',
        b'"' + b" " * 9 + b'"',
    ],
)
def test_a_message_passes_unchanged(raw: bytes) -> None:
    request = wire.decode_request(b'{"action":"put", "message" : %b ,"topic":"t"}' % raw)
    push = wire.encode_push(b'"t"', 1, b'""', request, bytes(request.message), at_ns=1)
    assert bytes(request.message) == raw
    assert wire.carried_message(push) == raw
    assert b'"message":%b}' % raw in push
    assert wire.decode_reply(push[wire.HEADER_BYTES :]).text == json.loads(raw)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_a_lone_surrogate_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="lone surrogate"):
        wire.encode_text(text)
    with pytest.raises(WireError, match="lone surrogate"):
        wire.encode_object({"action": "put", "topic": text})
    for key in ("message", "topic"):
        fields = {"action": "put", "topic": "t", "message": "m", key: text}
        with pytest.raises(WireError):
            wire.decode_request(json.dumps(fields).encode())


PUT = b'{"action":"put","topic":"t","message":'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"null",
        b'"put"',
        b"{}",
        b'{"topic":"t"}',
        b'{"action":5,"topic":"t"}',
        b'{"action":"get","topic":5}',
        b'{"action":"get","topic":null}',
        b'{"action":"get","topic":"t","latest":1}',
        b'{"action":"subscribe","topic":"t","depth":"10"}',
        b'{"action":"subscribe","topic":"t","depth":1.5}',
        b'{"action":"subscribe","topic":"t","depth":%b}' % (b"9" * 5000),
        b'{"action":"get","topic":"t"} {}',
        b'\xef\xbb\xbf{"action":"get","topic":"t"}',
        PUT + b'"\xff"}',
        PUT + b'"\xc3\x28"}',
        PUT + b'"a\nb"}',
        PUT + rb'"\q"}',
        PUT + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        PUT + b'"m","more":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
    ],
    ids=lambda body: f"{len(body)} {body[:48]!r}",
)
def test_a_body_that_is_no_request(body: bytes) -> None:
    with pytest.raises(WireError, match=r"the frame is not|cannot be"):
        wire.decode_request(body)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_arbitrary_bodies_raise_nothing_but_the_wires_error(body: bytes) -> None:
    for read in (wire.decode_request, wire.decode_reply):
        try:
            read(body)
        except WireError as error:
            assert "the frame is not" in str(error)  # noqa: PT017  no error is fine too


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([f.encode_name for f in msgspec.structs.fields(wire.Request)])


@given(st.dictionaries(keys, json_values), st.sampled_from(["put", "get", "hello", "x"]))
def test_wrong_types_raise_nothing_but_the_wires_error(
    fields: dict[str, object], action: str
) -> None:
    body = json.dumps({"topic": "t", **fields, "action": action}).encode()
    try:
        request = wire.decode_request(body)
        if request.message and not bytes(request.message).startswith(b'"'):
            as_original_text(bytes(request.message))
    except WireError:
        return
    assert request.action == action


def test_unknown_keys_are_ignored() -> None:
    assert wire.decode_request(b'{"action":"get","topic":"t","new":[1,{"a":null}]}').topic == "t"
    assert wire.decode_reply(b'{"event":"ack","ack":4,"new":[1,{"a":null}]}').ack == 4


def test_no_error_of_a_server_acts_on_a_terminal() -> None:
    # A program shows it in a traceback or in a log, which escape nothing.
    said = wire.decode_reply(b'{"event":"error","error":"no\\u001b]0;mine\\u0007\\nline 2"}').error
    assert said == "no\\u001b]0;mine\\u0007\nline 2"


@pytest.mark.parametrize("raw", [b"5", b"[]", b"{}", b"true", b"1.5"])
def test_a_reply_that_is_not_text_says_so(raw: bytes) -> None:
    with pytest.raises(WireError, match="the message is not text"):
        assert wire.decode_reply(b'{"message":%b}' % raw).text


def test_a_reply_with_nothing_in_it() -> None:
    assert wire.decode_reply(b"{}").text is None
    assert wire.decode_reply(b'{"message":null}').text is None


def test_a_push_that_became_too_long_is_marked() -> None:
    ends = b'"t"', 1, b'""'
    empty = wire.encode_push(*ends, wire.Request("put"), b'""', at_ns=1)
    room = len(empty) - wire.HEADER_BYTES
    for over in (-100, 0, 1, 200):
        message = b'"%b"' % (b"x" * (MAX_BODY_BYTES - room + over))
        push = wire.encode_push(*ends, wire.Request("put"), message, at_ns=1)
        assert wire.carried_message(push) == message
        assert (len(push) <= MOST_PUSH_BYTES) == (over == -100)
        if over == -100:
            assert len(decode([wire.with_gap(push, 10**9)])) == 1


# --- topic names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["a", "/robot1/scan", "größe 世界", "x" * 255, "é" * 127])
def test_a_good_topic(topic: str) -> None:
    assert wire.topic_fault(topic) == ""


@pytest.mark.parametrize(
    "topic",
    ["", "x" * 256, "é" * 128, "a\nb", "a\0", "\x1b[31mred", "a\u2028b", "\u202eabc", "\ud800"],
)
def test_a_bad_topic(topic: str) -> None:
    fault = wire.topic_fault(topic)
    assert fault
    assert fault.isprintable(), "the fault goes into a log line"
