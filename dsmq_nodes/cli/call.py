"""Calling a service from the command line, in texts: the tool needs no types."""

import uuid
from typing import Any, Final

import msgspec

from dsmq_nodes.cli.session import Session
from dsmq_nodes.errors import CommandError, WireError
from dsmq_nodes.graph import calls

PATIENCE_SEC: Final = 5.0


def call(
    session: Session, service: str, body: str = "{}", *, timeout_sec: float = PATIENCE_SEC
) -> dict[str, Any]:
    """The response of a service; `body` is the request as JSON.

    Raises:
        CommandError: nobody serves it, it did not answer in time, or it said why there is none.
    """
    request, reply = service + calls.REQUEST, service + calls.REPLY
    served = {topic.name for topic in session.graph().topics if topic.publishers}
    if reply not in served:
        names = [name.removesuffix(calls.REPLY) for name in served if name.endswith(calls.REPLY)]
        from dsmq_nodes.launcher.suggest import did_you_mean  # noqa: PLC0415

        raise CommandError(f"nobody serves {service}; {did_you_mean(service, names)}")
    client = f"@{uuid.uuid4().hex}"
    session.subscribe(reply)
    session.put(request, calls.write(client, 1, body), 1)
    while (answer := session.next_message([reply], timeout_sec)) is not None:
        try:
            head = calls.read(answer.text)
        except WireError:
            continue  # for its client to complain of
        if head.client == client:
            if head.error:
                raise CommandError(f"{service}: {head.error}")
            response: dict[str, Any] = msgspec.json.decode(answer.text or "")
            return response
    raise CommandError(f"{service} has not answered within {timeout_sec:g} s: is its node busy?")
