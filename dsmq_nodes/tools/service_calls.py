"""Calls services with requests and responses as JSON: the tool needs no types."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from dsmq_nodes.errors import CommandError, MessageError, WireError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.json_text import read_json
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools.offers import services
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import REPLY, REQUEST, is_kits_own

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Message

M = TypeVar("M", bound="Message")

PATIENCE_SEC: Final = 5.0


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
    session.put(service + REQUEST, calls.write(asked.client, asked.id, body))
    return asked


def answer(session: Session, asked: Asked, timeout_sec: float | None) -> dict[str, Any]:
    """Return the response to a request.

    Raises:
        CommandError: there is no answer in time, or it is an error.
    """
    until_sec = None if timeout_sec is None else time.monotonic() + timeout_sec
    while until_sec is None or time.monotonic() < until_sec:
        left_sec = None if until_sec is None else max(until_sec - time.monotonic(), 0.0)
        reply = session.next_message([asked.reply], left_sec)
        response = None if reply is None else response_in(reply.text, asked)
        if response is not None:
            return response
    raise CommandError(
        f"{asked.service} has not answered within {timeout_sec:g} s: is its node busy?"
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
