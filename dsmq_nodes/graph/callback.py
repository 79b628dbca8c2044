"""Callbacks: which are accepted, what they may return, and their names in logs.

Every function of a user may be `def` or `async def`. `Dispatcher.execute` calls callbacks without a
result, `called` those with a result, `NodeKit.run_hook` the hooks of a node's end; all of them use
`to_await`. `check_callback` refuses a function that cannot be called or awaited where the user
passes it in. `check_takes` also refuses one that takes other arguments.
"""

import asyncio
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dsmq_nodes.errors import SpinError
from dsmq_nodes.messages.base import Message

MessageT = TypeVar("MessageT", bound=Message)
Result = Awaitable[None] | None
Callback = Callable[[], Result]

if sys.version_info >= (3, 14):
    # Annotations may name what is imported `if TYPE_CHECKING` only.
    from annotationlib import Format

    _signature_of = functools.partial(inspect.signature, annotation_format=Format.FORWARDREF)
else:
    _signature_of = inspect.signature


def callback_name(callback: object) -> str:
    """Return the name of a callback, for logs."""
    name: str | None = getattr(callback, "__qualname__", None)
    if name:
        return name
    if isinstance(callback, functools.partial):
        return callback_name(callback.func)
    return type(callback).__name__


def check_callback(callback: object, kind: str) -> None:
    """Check that `callback` can be called, and that its result can be awaited if it is a coroutine.

    Args:
        callback: the object that was passed in.
        kind: its role, for the error: "a timer's callback".

    Raises:
        TypeError: it cannot; the text says what to write.
    """
    if inspect.iscoroutine(callback):
        discard(callback)
        name = callback_name(callback)
        raise TypeError(f"{kind} is the function: write `{name}`, not `{name}()`")
    if callback is None:
        raise TypeError(f"{kind} is a function, not None: write `self.on_x`, not `self.on_x()`")
    if not callable(callback):
        raise TypeError(f"{kind} is a function, not {callback!r:.60}")
    if _lacks_self(callback):
        written = callback_name(callback).rpartition(".")[2]
        raise TypeError(f"{kind}: `self` is missing: write `def {written}(self, ...)`")
    function = _function_of(callback)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{kind} cannot have a `yield`: {callback_name(callback)} would not run to its end; "
            "make it `def`, or `async def` with `await`"
        )


def check_takes(callback: Any, kind: str, *given: str) -> None:
    """Check that a callback can be called with these positional arguments.

    Raises:
        TypeError: see `check_callback`; or it takes other arguments.
    """
    check_callback(callback, kind)
    try:
        signature = _signature_of(callback, follow_wrapped=False)  # what is called
    except ValueError:  # some built-in callables have none
        return
    try:
        signature.bind(*given)
    except TypeError:
        how = f"with ({', '.join(given)})" if given else "without arguments"
        name = callback_name(callback)
        raise TypeError(f"{kind} is called {how}, not as {name}{signature}") from None


def _lacks_self(callback: object) -> bool:
    """Whether it is a method without `self`: it takes no argument, or `msg` as the first."""
    function = callback.__func__ if inspect.ismethod(callback) else None
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return False
    return code.co_argcount == 0 or code.co_varnames[0] in {"msg", "message", "request"}


def _function_of(callback: object) -> object:
    """Return the function that a callback runs: a partial's function, an object's `__call__`."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    if inspect.isroutine(callback) or inspect.isclass(callback):
        return callback
    return getattr(type(callback), "__call__", callback)  # noqa: B004  it is looked up, not tested


def to_await(result: object, named: object) -> Awaitable[Any] | None:
    """Return a callback's result if it has to be awaited, else None.

    Raises:
        TypeError: it is a generator, which cannot be awaited.
    """
    if result is None:
        return None
    if inspect.isawaitable(result):
        return result
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(
            f"{callback_name(named)} returned a generator, which never runs: `await`, not `yield`"
        )
    return None


async def called(callback: Callable[..., Any], *args: Any) -> Any:
    """Call a callback and await its result if needed; for callbacks with a result.

    Raises:
        TypeError: see `to_await`.
        SpinError: see `awaited`.
        Exception: the callback raised it.
    """
    try:
        result = callback(*args)
        work = None if result is None else to_await(result, callback)
    except asyncio.CancelledError as error:
        raise as_error(error) from error
    return result if work is None else await awaited(work)


async def awaited(work: Awaitable[Any]) -> Any:
    """Await the result of a callback.

    When something that the callback awaits is cancelled, such as a task of the node, that is an
    error of the callback, which the caller gets. The cancellation of the callback itself, as at the
    end of its node, passes through.

    Raises:
        SpinError: something that the callback awaits was cancelled.
        Exception: the callback raised it.
    """
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise as_error(error) from error


def as_error(error: BaseException) -> Exception:
    """Return a callback's exception as an error: a CancelledError becomes a SpinError.

    A StopIteration becomes a RuntimeError, as in a coroutine: a future refuses a StopIteration.
    """
    if isinstance(error, StopIteration):
        raised = RuntimeError("the callback raised StopIteration, as next(...) does at an end")
        return raised.with_traceback(error.__traceback__)
    if isinstance(error, Exception):
        return error
    cut_short = SpinError("what it waited for was cancelled, so it was not run to its end")
    cut_short.__cause__ = error
    return cut_short


def discard(work: object) -> None:
    """Close a coroutine that will not run, if `work` is one.

    A coroutine that has not begun is closed together with the coroutines among its arguments:
    Python warns about each one that is deleted without having run.
    """
    if not inspect.iscoroutine(work):
        return
    is_new = inspect.getcoroutinestate(work) == inspect.CORO_CREATED
    given = [*inspect.getcoroutinelocals(work).values()] if is_new else []
    work.close()
    for each in given:
        discard(each)


def takes_two(callback: Callable[..., Any], kind: str, one: str, two: str) -> bool:
    """Whether a callback takes the second argument too.

    Raises:
        TypeError: it takes neither (`one`) nor (`one`, `two`).
    """
    try:
        parameters = _signature_of(callback).parameters.values()
    except ValueError:  # some built-in callables have no signature: take one
        return False
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in by_place if p.default is p.empty]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(needed) > 2 or named or not (by_place or takes_any):
        given = f"{callback_name(callback)}{_signature_of(callback)}"
        raise TypeError(f"{kind} takes ({one}) or ({one}, {two}), not as {given}")
    return len(needed) == 2


@dataclass(slots=True)
class BusyTime:
    """How long a callback has blocked its node; `longest_sec` is reset when it is published.

    A call, or a step of a coroutine, counts as one of `calls`.
    """

    calls: int = 0
    busy_sec: float = 0.0
    longest_sec: float = 0.0
