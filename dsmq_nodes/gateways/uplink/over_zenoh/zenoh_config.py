"""Makes the configuration of a Zenoh session, or refuses an entry. Does no I/O.

Switched off: multicast and gossip (only named endpoints connect), and Zenoh's shared memory (30 MB
for each process, and it would bypass the network's limits).

**Bounded buffers.** While a link is slow, Zenoh and the kernel each buffer as much as they are
allowed to, and data then arrives seconds old. Here the limits are 12 KiB in the socket (the kernel
uses twice that, `link_room.py` allows less of it to be unsent, and the kernel checks this only
after half of the other end's buffer, which is therefore as small) and two batches of 4 KiB in
Zenoh. With 700 kbit/s for a link of 300 kbit/s, half of the messages arrive 0.5 s old and all at
most 0.7 s, or 0.9 s while the link becomes slow. With certificates a router buffers 64 KiB more for
each link, in its TLS, which cannot be limited: machines behind a router are asked for confirmations
instead (`pacing/far_window.py`). Messages without room are dropped, and counted by the reader. If
the socket is checked for room first (`link_room.py`), Zenoh can lack room only because of a busy
processor: then a message waits. A message that is larger than all buffers waits for as long as a
slow link needs for it.

**Rights.** A router gives each certificate the rights of its name (`_access`): a robot those of its
own name, a base those of the fleet. A key part that begins with `@` is matched by no wildcard, so
each kind of key is named.
"""

from collections.abc import Iterable
from typing import Any, Final

from dsmq_nodes.dsmq import limits
from dsmq_nodes.gateways.uplink.launch_entry import RouterEndpoint, UplinkEntry
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_keys import PARTS_OF_OFFER

LEASE_SEC: Final = 3.0
RETRY_MS: Final = 200
_OPEN_MS: Final = 5000  # a connection request without an answer ends then
_SEND_BUFFER_BYTES: Final = 12 * 1024
_BATCH_BYTES: Final = 4 * 1024
_BATCHES: Final = 2
# All parts of one message; a machine that sends more is cut off. Zenoh's default is 1 GiB.
_MOST_MESSAGE_BYTES: Final = limits.MAX_BODY_BYTES + 64 * 1024
# The wait for room before a message is dropped, and for each further part of a large one. A router
# waits only briefly, for all its links; with 0.002 s it dropped 3 % of what 50 robots sent at once.
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
        # A client would try its first endpoint forever: let it try each once (`_open` repeats).
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
    # Zenoh compares the part before the last colon with the router's certificate.
    is_compared = found.kind == "tls"
    return _endpoint(found._replace(host=found.host.strip("[]")) if is_compared else found)


def _endpoint(found: RouterEndpoint) -> str:
    # On loopback, such small buffers would wait 40 ms for each acknowledgement.
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
    """Return the rights: none, except for the named machines."""
    groups = [(name, _keys_of(name)) for name in entry.robots]
    all_keys = ("dsmq/**", *(f"dsmq/@{kind}/**" for kind in ("name", "offer", "log", "last")))
    groups += [(name, all_keys) for name in entry.bases]
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
