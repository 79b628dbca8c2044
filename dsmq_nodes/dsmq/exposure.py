"""Who can reach what listens: a door that would be open to everybody is refused."""

import ipaddress

from dsmq_nodes.errors import InsecureError


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_exposure(host: str, *, is_guarded: bool, lets: str, guard: str) -> None:
    """Refuse to open a door to everybody.

    Args:
        host: where it listens.
        is_guarded: whether a token is asked for, or it is meant.
        lets: what every machine could do.
        guard: what to do about it.

    Raises:
        InsecureError: `host` can be reached from other machines, and nothing guards it.
    """
    if is_guarded or is_loopback(host):
        return
    raise InsecureError(
        f"listening on {host} lets every machine that reaches this one {lets}: {guard}, or say "
        "--insecure (in a launch file insecure: true) if that is meant"
    )
