"""The binary frames of Foxglove's WebSocket protocol; numbers are little endian.

From the server: message data `1, u32 subscription, u64 ns, payload`; time `2, u64 ns`; service
response `3, u32 service, u32 call, u32 length of the encoding, encoding, payload`; asset
`4, u32 request, u8 status, u32 length of the error, error, payload`.

From the client: message data `1, u32 channel, payload`; service request
`2, u32 service, u32 call, u32 length of the encoding, encoding, payload`.
"""

import struct
from typing import Final, NamedTuple

_DATA: Final = struct.Struct("<BIQ")
_TIME: Final = struct.Struct("<BQ")
_RESPONSE: Final = struct.Struct("<BIII")
_ASSET: Final = struct.Struct("<BIBI")
_CHANNEL: Final = struct.Struct("<I")
_REQUEST: Final = struct.Struct("<III")
_MOST_NS: Final = 2**64 - 1
JSON: Final = "json"


class PublishedData(NamedTuple):
    """A message that a client publishes on a channel of its own."""

    channel: int
    payload: bytes


class ServiceRequest(NamedTuple):
    """A client's call of a service."""

    service: int
    call: int
    encoding: str
    payload: bytes


def message_data(subscription: int, stamp_ns: int, payload: bytes) -> bytes:
    """Return a message for a subscription."""
    return _DATA.pack(1, subscription, min(max(stamp_ns, 0), _MOST_NS)) + payload


def time_frame(stamp_ns: int) -> bytes:
    """Return the time, for a clock other than the wall clock."""
    return _TIME.pack(2, min(max(stamp_ns, 0), _MOST_NS))


def service_response(service: int, call: int, payload: bytes) -> bytes:
    """Return the response to a call, in JSON."""
    return _RESPONSE.pack(3, service, call, len(JSON)) + JSON.encode() + payload


def asset_error(request: int, text: str) -> bytes:
    """Return the answer that there is no such asset."""
    error = text.encode()
    return _ASSET.pack(4, request, 1, len(error)) + error


def read_binary(frame: bytes) -> PublishedData | ServiceRequest:
    """Parse a client's binary frame.

    Raises:
        ValueError: the frame is invalid.
    """
    try:
        if frame[:1] == b"\x01":
            (channel,) = _CHANNEL.unpack_from(frame, 1)
            return PublishedData(channel, frame[1 + _CHANNEL.size :])
        if frame[:1] == b"\x02":
            service, call, length = _REQUEST.unpack_from(frame, 1)
            body = frame[1 + _REQUEST.size :]
            if length > len(body):
                raise ValueError(f"an encoding of {length} bytes in a frame of {len(frame)}")
            return ServiceRequest(service, call, body[:length].decode(), body[length:])
    except struct.error:
        raise ValueError(f"a binary message of {len(frame)} bytes is too short") from None
    raise ValueError(f"there is no binary operation {frame[:1].hex() or 'without a byte'}")
