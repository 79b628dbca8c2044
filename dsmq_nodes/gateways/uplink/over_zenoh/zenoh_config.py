"""The configuration of a Zenoh session, and the checks of it. Pure.

Off are: multicast and gossip (only what is named connects), and Zenoh's shared memory (30 MB a
process, and it would pass by the network's limits).

**Bounded buffers.** Zenoh and the kernel each hold as much as they are allowed to while a link is
slow, and what arrives then is seconds old. Here it is 12 KiB in the socket (the kernel takes twice
that, `link_room.py` allows less of it to be unsent, and the kernel looks at this only after half of
what the other end has room for, so that has as little) and two batches of 4 KiB in Zenoh. With 700
kbit/s for a link of 300 kbit/s, half of what arrives is 0.5 s old and all of it 0.7 s at most, or
0.9 s while the link becomes slow. With certificates a router holds 64 KiB more for each link, in
its TLS, and those cannot be bounded: who is behind a router is asked for confirmations instead
(`pacing/far_window.py`).
What finds no room is dropped, and counted by the reader. Where the socket is asked for room before
(`link_room.py`), only a busy processor can be why Zenoh has none: then a message waits. A message
that is larger than all buffers waits there for as long as a slow link needs for it.

**Rights.** A router gives each certificate the rights that its name has (`_access`): a robot those
of its own name, a base those of the fleet. A key part that begins with `@` is matched by no
wildcard, so each kind of key is named.
"""

from collections.abc import Iterable
from typing import Any, Final

from dsmq_nodes.dsmq import limits
from dsmq_nodes.gateways.uplink.launch_entry import RouterEndpoint, UplinkEntry
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import PARTS_OF_OFFER

LEASE_SEC: Final = 3.0
RETRY_MS: Final = 200
_OPEN_MS: Final = 5000  # then a connection that was begun and not answered is given up
_SEND_BUFFER_BYTES: Final = 12 * 1024
_BATCH_BYTES: Final = 4 * 1024
_BATCHES: Final = 2
# Of the parts of one message; a machine that sends more of them is cut off. Else it is 1 GiB.
_MOST_MESSAGE_BYTES: Final = limits.MAX_BODY_BYTES + 64 * 1024
# For room before a message is dropped, and for room for each further part of a large one. A router
# waits little, for all its links; with 0.002 s it dropped 3 % of what 50 robots sent at one time.
_WAITS_SEC: Final = (0.01, 0.05)
_WAITS_FOR_ONE_LINK_SEC: Final = (0.25, 30.0)
_MESSAGES: Final = (
    "put",
    "delete",
    "declare_subscriber",
    "query",
    "reply",
    "declare_queryable",
    "liveliness_token",
    "liveliness_query",
    "declare_liveliness_subscriber",
)


def zenoh_config(entry: UplinkEntry) -> dict[str, Any]:
    """Return the values of a session's configuration, by their paths.

    Raises:
        CommandError: the entry is refused; the text says why, and what to write.
    """
    entry.check_endpoints()
    connect = [_dialled(each) for each in entry.endpoints(entry.connect)]
    wait_sec, fragment_wait_sec = _WAITS_SEC if entry.listen else _WAITS_FOR_ONE_LINK_SEC
    config: dict[str, Any] = {
        "mode": "router" if entry.listen else "client",
        "connect/endpoints": connect,
        "listen/endpoints": [_endpoint(each) for each in entry.endpoints(entry.listen)],
        # A client would try its first endpoint for ever: it tries each once (`_open` tries again).
        "connect/timeout_ms": -1 if entry.listen else 0,
        "connect/exit_on_failure": False,
        "connect/retry": {
            "period_init_ms": RETRY_MS,
            "period_max_ms": RETRY_MS,
            "period_increase_factor": 1,
        },
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "transport/shared_memory/enabled": False,
        "transport/unicast/open_timeout": _OPEN_MS,
        "transport/link/rx/max_message_size": _MOST_MESSAGE_BYTES,
        "transport/link/tx/lease": round(LEASE_SEC * 1000),
        "transport/link/tx/batch_size": _BATCH_BYTES,
        "transport/link/tx/queue/size/data": _BATCHES,
        "transport/link/tx/queue/congestion_control/drop": {
            "wait_before_drop": round(wait_sec * 1e6),
            "max_wait_before_drop_fragments": round(fragment_wait_sec * 1e6),
        },
        "adminspace/enabled": False,
    }
    if entry.tls is not None:
        config["transport/link/tls"] = _tls(entry)
        if entry.listen:
            config["access_control"] = _access(entry)
    return config


def _dialled(found: RouterEndpoint) -> str:
    # Zenoh compares what stands before the last colon with the router's certificate.
    is_compared = found.kind == "tls"
    return _endpoint(found._replace(host=found.host.strip("[]")) if is_compared else found)


def _endpoint(found: RouterEndpoint) -> str:
    # On loopback so little would wait 40 ms for each acknowledgement.
    return (
        f"{found}#so_rcvbuf={_SEND_BUFFER_BYTES};so_sndbuf={_SEND_BUFFER_BYTES}"
        if found.is_beyond
        else str(found)
    )


def _tls(entry: UplinkEntry) -> dict[str, Any]:
    assert entry.tls is not None
    certificate, key = str(entry.tls.certificate), str(entry.tls.key)
    return {
        "root_ca_certificate": str(entry.tls.ca),
        "enable_mtls": True,
        "listen_certificate": certificate,
        "listen_private_key": key,
        "connect_certificate": certificate,
        "connect_private_key": key,
        "close_link_on_expiration": True,
    }


def _access(entry: UplinkEntry) -> dict[str, Any]:
    """Return the access rules: everything is forbidden except to the named machines."""
    groups = [(name, _keys_of(name)) for name in entry.robots]
    groups += [(name, _keys_of_all()) for name in entry.bases]
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": [
            {
                "id": name,
                "permission": "allow",
                "flows": ["ingress", "egress"],
                "messages": list(_MESSAGES),
                "key_exprs": list(keys),
            }
            for name, keys in groups
        ],
        "subjects": [{"id": name, "cert_common_names": [name]} for name, _ in groups],
        "policies": [{"rules": [name], "subjects": [name]} for name, _ in groups],
    }


def _keys_of(name: str) -> Iterable[str]:
    """Return the keys that a robot may write and read: see zenoh_keys.py."""
    return (
        f"dsmq/{name}/**",
        f"dsmq/@name/{name}/**",
        f"dsmq/@offer/{name}/{PARTS_OF_OFFER}/{name}/**",
        f"dsmq/@offer/-/{PARTS_OF_OFFER}/{name}/**",
        f"dsmq/@log/{name}/*/{name}/**",
        f"dsmq/@log/-/*/{name}/**",
        f"dsmq/@last/{name}/**",
    )


def _keys_of_all() -> Iterable[str]:
    return ("dsmq/**", *(f"dsmq/@{kind}/**" for kind in ("name", "offer", "log", "last")))
