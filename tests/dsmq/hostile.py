"""What a broker is sent by who means no good, or does not know better."""


def framed(body: bytes) -> bytes:
    return b'{"msg_length": %d}%b' % (1_000_000 + len(body), body)


HOSTILE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "random": bytes(range(256)),
    "length 0": b'{"msg_length": 1000000}',
    "negative length": b'{"msg_length": 0000005}',
    "float length": b'{"msg_length": 10000.5}',
    "24-byte header": b'{"msg_length": 98999999}',
    "infinite length": b'{"msg_length": Infinit}',
    "text as length": b'{"msg_length": "100005"}',
    "98,999,999 in 23 bytes": b'{"msg_length":98999999}',
    "not utf-8": framed(b'{"action": "put", "topic": "t", "message": "\xff"}'),
    "not json": framed(b"{action: put}"),
    "array": framed(b"[1, 2]"),
    "deep": framed(b'{"action": "put", "topic": "t", "message": ' + b"[" * 100_000),
    "huge integer": framed(b'{"action": "put", "topic": "t", "message": %s}' % (b"9" * 5000)),
    "wrong types": framed(b'{"action": "put", "topic": 5, "message": "x"}'),
    "lone surrogate": framed(rb'{"action": "put", "topic": "t", "message": "\ud800 x"}'),
    "object as message": framed(b'{"action": "put", "topic": "t", "message": {"a": 1}}'),
    "empty topic": framed(b'{"action": "put", "topic": "", "message": "x"}'),
    "newline in topic": framed(rb'{"action": "put", "topic": "a\nb\u001b[31m", "message": "x"}'),
    "NUL in topic": framed(rb'{"action": "put", "topic": "a\u0000b", "message": "x"}'),
    "ANSI in topic": framed(rb'{"action": "get", "topic": "\u001b]0;mine\u0007"}'),
    "path as topic": framed(b'{"action": "put", "topic": "../../etc/passwd", "message": "x"}'),
    "NaN as number": framed(b'{"action": "get", "topic": "t", "wait": NaN}'),
    "no topic": framed(b'{"action": "put", "message": "x"}'),
    "long topic": framed(b'{"action": "put", "topic": "%s", "message": "x"}' % (b"t" * 300)),
}
