"""Messages on loan: their large field is a view of shared memory while a callback runs.

Writers do not wait for callbacks, so the view may be overwritten while the callback reads it. This
is checked when the loan ends. Reading a view after its loan raises ValueError. A second view of the
same bytes that the callback has kept, such as a slice or a numpy array, cannot be released: it
stays safe to read, but its content changes. One warning says so.
"""

import gc
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from dsmq_nodes.dsmq.ring.record import Loan
from dsmq_nodes.graph.callback import Result, to_await
from dsmq_nodes.messages.schema.large_field import large_field

if TYPE_CHECKING:
    from dsmq_nodes.graph.log.logger import Logger
    from dsmq_nodes.messages.base import Message


class Lender:
    """Lends the large fields of a subscription's messages, one at a time.

    Attributes:
        overwritten: how many messages were overwritten during their loan.
    """

    def __init__(self, msg_type: "type[Message]", topic_name: str, logger: "Logger") -> None:
        """Lend the messages of a subscription.

        Raises:
            TypeError: the type does not have exactly one large field.
        """
        self._field = large_field(msg_type)
        if not self._field:
            raise TypeError(
                f"{topic_name}: a {msg_type.type_name} cannot be loaned: only a type with one "
                "field of bytes, which no validator reads, can, such as an Image"
            )
        self.overwritten = 0
        self._topic_name = topic_name
        self._logger = logger
        self._lent: memoryview | None = None
        self._loan: Loan | None = None
        self._views = 0
        self._has_warned = False

    def lend(self, msg: "Message", loan: Loan | None) -> None:
        """Replace a message's large field by a view, until `take_back`."""
        self.take_back()
        value = msg.__dict__[self._field]
        self._lent = msg.__dict__[self._field] = memoryview(value)[:].toreadonly()
        self._loan = loan
        self._views = _views(self._lent)

    def call(self, callback: Callable[[], Result]) -> Result:
        """Call a callback with a lent message; the loan ends with it, or with its coroutine."""
        work = None
        try:
            work = to_await(callback(), callback)
        finally:
            if work is None:
                self.take_back()
        return self._wait(work) if work is not None else None

    async def _wait(self, work: Awaitable[None]) -> None:
        try:
            await work
        finally:
            self.take_back()

    def take_back(self) -> None:
        """End the loan: release the view, and count the message if it was overwritten."""
        lent, self._lent = self._lent, None
        loan, self._loan = self._loan, None
        if lent is None:
            return
        if loan is not None and not loan.is_whole:
            self.overwritten += 1
            if self.overwritten == 1:
                self._logger.warning(
                    f"{self._topic_name}: a loaned message was overwritten while it was read; it "
                    "is counted as dropped, others like it too: read faster, or without loaned=True"
                )
        kept = _views(lent) > self._views
        lent.release()
        if kept and not self._has_warned:
            self._has_warned = True
            self._logger.error(
                f"{self._topic_name}: a view of a loaned message was kept (a slice or an array): "
                "its content will change; copy it to keep it"
            )


def _views(view: memoryview) -> int:
    """Return the number of views of a view's bytes, itself included, plus a constant."""
    return sys.getrefcount(gc.get_referents(view)[0])
