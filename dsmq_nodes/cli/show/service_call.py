"""`dsmq-nodes service call`: a request of any type, by the schema that its server announced."""

import contextlib
import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from dsmq_nodes.cli.listing import is_type
from dsmq_nodes.cli.show.value_texts import text_of
from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages.schema.dynamic import decoded, written
from dsmq_nodes.messages.schema.find import find_interface, from_others
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools import offers
from dsmq_nodes.tools.ended_nodes import explain_end
from dsmq_nodes.tools.lookup import schema_of
from dsmq_nodes.tools.offers import Offer, absolute
from dsmq_nodes.tools.service_calls import answer, ask
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import REPLY, REQUEST


@dataclass(frozen=True)
class WantedCall:
    """A requested call; without a type it has the type of the server."""

    service: str
    type_name: str
    values: str


@dataclass(frozen=True)
class Types:
    """The schemas of a service's request and response; empty when unknown."""

    name: str
    request: dict[str, Any]
    response: dict[str, Any]


def call_service(
    session: Session,
    request: WantedCall,
    *,
    period_sec: float | None,
    wait_sec: float,
    timeout_sec: float,
    as_json: bool,
) -> None:
    """Call a service once, or every `period_sec`, and print the responses.

    Raises:
        CommandError: it has no server, has another type, or does not answer.
    """
    offer = served(session, "service", absolute(request.service), wait_sec)
    check_type(offer, request.type_name)
    types = types_of(session, offer.name, from_others(offer.type) or request.type_name)
    text = text_of(f"{types.name}_Request", types.request, request.values)
    given = written(decoded(json.loads(text), types.request), types.request, "")
    name = one_line(types.name.replace("/", "."))
    for number in itertools.count():
        if number:
            time.sleep(period_sec or 0.0)
        if not as_json:
            print(f"requester: making request: {name}_Request{given}\n", flush=True)
        response = answer(session, ask(session, offer.name, text), timeout_sec)
        if as_json:
            print(msgspec.json.encode(response).decode(), flush=True)
        else:
            shown = decoded(response, types.response)
            print(f"response:\n{written(shown, types.response, f'{name}_Response')}\n", flush=True)
        if period_sec is None:
            return


def check_type(offer: Offer, wanted: str) -> None:
    """Check that a service or an action has the requested type, also given as `module:Class`.

    Raises:
        CommandError: it has another type, or there is no such class.
    """
    named = find_interface(wanted).type_name if ":" in wanted else wanted
    if named and offer.type and not is_type(offer.type, named):
        raise CommandError(f"{offer.name} is of type {offer.type}, not {wanted}")


def served(session: Session, kind: str, name: str, wait_sec: float) -> Offer:
    """Return the service or action of that name as soon as it has a server.

    Raises:
        CommandError: it has no server in time; the text has the nearest name that is served.
    """
    there: dict[str, Offer] = {}
    is_reported = kind == "action"  # by send_goal.py, as in ros2 before it looks
    until_sec = time.monotonic() + wait_sec
    with contextlib.closing(session.graphs(max(wait_sec, 1.0))) as graphs:
        for graph in graphs:
            found = offers.services(graph, hidden=True)
            there = offers.actions(graph) if kind == "action" else found
            there = {each.name: each for each in there.values() if each.servers}
            if name in there or time.monotonic() >= until_sec:
                break
            if not is_reported:
                print("waiting for service to become available...", flush=True)
                is_reported = True
    if name in there:
        return there[name]
    if why := explain_end(session, session.graph(), name):
        raise CommandError(f"no {kind} {name}: {why}")
    names = offers.to_name(name, there)
    if there and not names:
        raise CommandError(f"no {kind} {name}; nodes serve only their parameters")
    raise offers.unknown(kind, name, names)


def types_of(session: Session, service: str, type_name: str) -> Types:
    """Return the schemas from a service's ends, or those of its type if the kit has it."""
    found = [schema_of(session, service + sign) for sign in (REQUEST, REPLY)]
    if not all(found):
        with contextlib.suppress(CommandError):
            known = find_interface(type_name)
            found = [known.Request.schema(), known.Response.schema()]
    return Types(type_name or "unknown", found[0], found[1])
