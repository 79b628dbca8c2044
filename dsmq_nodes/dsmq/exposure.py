"""Refuses a server that would listen on an address of other machines without a token."""

import ipaddress

from dsmq_nodes.errors import InsecureError


def is_loopback(host: str) -> bool:
    """Whether a host name or an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_exposure(host: str, *, is_guarded: bool, lets: str, guard: str) -> None:
    """Refuse to listen where every machine could connect without a token.

    Args:
        host: the address to listen at.
        is_guarded: whether a token is required, or the user has allowed it explicitly.
        lets: what every machine could do, for the error.
        guard: what to do about it, for the error.

    Raises:
        InsecureError: `host` can be reached from other machines, and nothing guards it.
    """
    if is_guarded or is_loopback(host):
        return
    raise InsecureError(
        f"listening on {host} lets every machine that reaches this one {lets}: {guard}, or say "
        "--insecure (in a launch file insecure: true) if that is meant"
    )
