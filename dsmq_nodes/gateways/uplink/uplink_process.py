"""The uplink's process, from its options to its end; and a router without a broker."""

import logging
import signal
from pathlib import Path
from types import ModuleType

from dsmq_nodes.dsmq.address import AnyAddress, address_of, broker_address
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.gateway_process import carry, hub_at, log_to_terminal
from dsmq_nodes.gateways.uplink.launch_entry import UplinkEntry
from dsmq_nodes.gateways.uplink.over_udp.udp_relay import UdpRelay
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_config import zenoh_config
from dsmq_nodes.gateways.uplink.uplink_node import Uplink
from dsmq_nodes.signals import ending_signals
from dsmq_nodes.topic_names import UPLINK

logger = logging.getLogger("dsmq_nodes.uplink")


def run(entry: UplinkEntry, broker: AnyAddress | None = None) -> int:
    """Carry until a signal, and return the exit status.

    Args:
        entry: the options.
        broker: the address of the broker; None for that in DSMQ_BROKER.

    Raises:
        DsmqError: the uplink cannot start, or another machine has its name.
    """
    rules = entry.rules()
    rules.check()
    entry.check_files()
    zenoh = _zenoh(entry)
    _warn_of_wrong_name(entry)
    _warn_of_doubts(entry)
    entry, relay = _relayed(entry)
    carrier = zenoh.ZenohCarrier(rules.name, zenoh_config(entry), entry.tls, relay)
    address = address_of(broker) if broker is not None else broker_address()
    hub = hub_at(address, UPLINK)
    uplink = Uplink(hub, address, carrier, rules, entry.topics_)
    carry(hub, uplink.run(), carrier.close)
    return 0


def route(entry: UplinkEntry) -> int:
    """Be a router for other machines until a signal, and return the exit status.

    Raises:
        CommandError: the router cannot listen.
    """
    zenoh = _zenoh(entry)
    entry.check_files()
    signals = ending_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    _warn_of_doubts(entry)
    session = zenoh.open_session(zenoh_config(_relayed(entry)[0]))
    logger.info("routing at %s", ", ".join(entry.listen))
    signal.sigwait(signals)
    session.close()
    return 0


def certificates() -> ModuleType:
    """Return the module that makes and reads certificates, which needs an extra."""
    from dsmq_nodes.gateways.uplink import uplink_keys  # noqa: PLC0415  of an extra

    return uplink_keys


def _relayed(entry: UplinkEntry) -> tuple[UplinkEntry, UdpRelay | None]:
    """Return the entry for Zenoh, and the relay of its endpoints for UDP."""
    entry.check_endpoints()
    endpoints = [*(each for each, _ in entry.dialled()), *entry.listening()]
    if not any(each.kind == "udp" for each in endpoints):
        return entry, None
    relay = UdpRelay()
    return relay.relayed(entry), relay


def _warn_of_doubts(entry: UplinkEntry) -> None:
    if (tls := entry.tls) is not None:
        for doubt in certificates().doubts(Path(tls.certificate), Path(tls.key)):
            logger.warning("%s", doubt)


def _warn_of_wrong_name(entry: UplinkEntry) -> None:
    """Warn if the certificate has another name, which other ends will refuse."""
    if entry.tls is None or entry.as_ is None:
        return
    name = certificates().name_in(Path(entry.tls.certificate))
    if name != entry.as_:
        logger.warning(
            "the certificate %s is for %r, not for %s (as): a router refuses offers under "
            "that name, unless it has %r in bases",
            *(entry.tls.certificate, name, entry.as_, name),
        )


def _zenoh(entry: UplinkEntry) -> ModuleType:
    """Return the module that needs Zenoh, and start to write its log and the kit's.

    Raises:
        CommandError: Zenoh is not installed.
    """
    if missing := entry.missing():
        raise CommandError(f"`dsmq-nodes uplink`: {missing}")
    from dsmq_nodes.gateways.uplink.over_zenoh import (  # noqa: PLC0415  of an extra
        refusals,
        zenoh_carrier,
    )

    if entry.tls is not None and entry.listen:
        refusals.log_refusals([*entry.robots, *entry.bases])
    log_to_terminal()
    return zenoh_carrier
