"""Calls services with requests and responses as JSON: the tool needs no types."""

import json
import math
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from dsmq_nodes.errors import CommandError, MessageError, WireError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.json_text import read_json
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools.graph_model import read_graph
from dsmq_nodes.tools.offers import services
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import GRAPH_TOPIC, REPLY, REQUEST, is_kits_own

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Message

M = TypeVar("M", bound="Message")

PATIENCE_SEC: Final = 5.0
_SOON_SEC: Final = 0.5  # an answer that comes in this time needs no look at the graph


def call(
    session: Session, service: str, body: str = "{}", *, timeout_sec: float = PATIENCE_SEC
) -> dict[str, Any]:
    """Call a service and return its response; `body` is the request as JSON.

    Raises:
        CommandError: no node serves it, or there was no answer in time, or an error.
    """
    served = services(session.graph(), hidden=True)
    offer = served.get(service)
    if offer is None or not offer.servers:
        kits = is_kits_own(service)
        names = [
            name for name, each in served.items() if each.servers and is_kits_own(name) is kits
        ]
        raise CommandError(f"nobody serves {service}; {did_you_mean(service, names)}")
    return answer(session, ask(session, service, body), timeout_sec)


def call_typed(
    session: Session,
    service: str,
    request: "Message",
    response: type[M],
    *,
    timeout_sec: float = PATIENCE_SEC,
) -> M:
    """Call a service whose type is known, and return its response.

    Raises:
        CommandError: see `call`; or the response is not of the type.
    """
    return typed(
        service, call(session, service, request.to_json(), timeout_sec=timeout_sec), response
    )


def typed(service: str, response: dict[str, Any] | None, response_type: type[M]) -> M:
    """Return a response in its type.

    Raises:
        CommandError: the response is not of the type.
    """
    try:
        return response_type.from_json(json.dumps(response))
    except (MessageError, RecursionError) as error:
        raise CommandError(
            f"{service} has answered with something else: {one_line(str(error))}"
        ) from None


class Asked(NamedTuple):
    """A call that waits for its response; `client` and `id` identify it."""

    service: str
    client: str
    id: int

    @property
    def reply(self) -> str:
        """The topic of the response."""
        return self.service + REPLY


def ask(session: Session, service: str, body: str) -> Asked:
    """Send a request, given as JSON."""
    asked = Asked(service, session.client, next(session.call_ids))
    session.subscribe(asked.reply)
    requests = service + REQUEST
    if requests not in session.published:
        session.advertise(requests, "")  # an uplink carries what is advertised
    session.put(requests, calls.write(asked.client, asked.id, body))
    return asked


def answer(session: Session, asked: Asked, timeout_sec: float | None) -> dict[str, Any]:
    """Return the response to a request.

    Raises:
        CommandError: there is no answer in time, or it is an error, or the server is lost.
    """
    until_sec = math.inf if timeout_sec is None else time.monotonic() + timeout_sec
    response = _answer(session, asked, [asked.reply], min(until_sec, time.monotonic() + _SOON_SEC))
    if response is None:  # only now check whether its server is still there: a graph is large
        was_subscribed = session.is_subscribed(GRAPH_TOPIC)
        session.subscribe(GRAPH_TOPIC, depth=1)
        try:
            response = _answer(session, asked, [asked.reply, GRAPH_TOPIC], until_sec)
        finally:
            if not was_subscribed:
                session.unsubscribe(GRAPH_TOPIC)
    if response is None:
        raise CommandError(
            f"{asked.service} has not answered within {timeout_sec:g} s: is its node busy?"
        )
    return response


def _answer(
    session: Session, asked: Asked, topics: list[str], until_sec: float
) -> dict[str, Any] | None:
    """Return the response; None if it has not come by `until_sec`."""
    while (left_sec := until_sec - time.monotonic()) > 0:
        reply = session.next_message(topics, None if left_sec == math.inf else left_sec)
        if reply is None:
            continue
        if reply.topic == GRAPH_TOPIC:
            session.understood(reply, partial(_check_served, asked))
        elif (response := response_in(reply.text, asked)) is not None:
            return response
    return None


def _check_served(asked: Asked, graph: str) -> None:
    offer = services(read_graph(graph), hidden=True).get(asked.service)
    if offer is None or not offer.servers:
        raise CommandError(
            f"{asked.service}: its node was lost in mid-call: whether it was done is not known"
        )


def answers(
    session: Session, asked: Iterable[Asked], timeout_sec: float
) -> Iterator[tuple[Asked, dict[str, Any] | None]]:
    """Yield each request that is answered in time, in the order of the answers, and its response.

    A response is None when the answer is an error.
    """
    waiting = {each.reply: each for each in asked}
    until_sec = time.monotonic() + timeout_sec
    while waiting and (left_sec := until_sec - time.monotonic()) > 0:
        reply = session.next_message(waiting, left_sec)
        if reply is None:
            return
        each = waiting[reply.topic]
        try:
            response = response_in(reply.text, each)
        except CommandError:
            response = None
        else:
            if response is None:
                continue  # another caller's
        del waiting[reply.topic]
        yield each, response


def response_in(text: str | None, asked: Asked) -> dict[str, Any] | None:
    """Return the response in a reply; None when it is for another caller.

    Raises:
        CommandError: the reply is an error.
    """
    try:
        head = calls.read(text)
    except WireError:
        return None  # its client reports it
    if (head.client, head.id) != (asked.client, asked.id):
        return None
    if head.error:
        raise CommandError(f"{asked.service}: {one_line(head.error)}")
    response: dict[str, Any] = read_json(text or "")
    return {name: value for name, value in response.items() if name not in {"_client", "_id"}}
