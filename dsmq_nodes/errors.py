"""Every exception of dsmq_nodes. Each text says what happened, where, and what to do next."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dsmq_nodes.printable import one_line


class DsmqError(Exception):
    """Base of every error that dsmq_nodes raises itself."""


class WireError(DsmqError):
    """Bytes or text that are not the dsmq protocol; their connection is ended."""


class RequestError(WireError):
    """A request of the dsmq protocol with a value that it cannot have; only the request is refused.

    Attributes:
        action: the action of the request.
        topic: the topic of the request, or empty.
        ack: the `ack` of the request, if it has one.
    """

    def __init__(self, text: str, action: str, topic: str = "", ack: int | None = None) -> None:
        super().__init__(text)
        self.action, self.topic, self.ack = action, topic, ack


class StoreError(DsmqError):
    """A store's file cannot be used; the text names it and says why."""


class StoreFullError(DsmqError):
    """The store is full: the put is refused, and nothing of it is kept. Reads continue."""


class RingError(DsmqError):
    """A topic's shared memory is not available: the topic goes through the broker."""


class OverwrittenError(DsmqError):
    """A message in shared memory was overwritten while it was read: it was read too late."""


class ConnectionFailedError(DsmqError, ConnectionError):
    """No broker could be reached, or it refused us; the text names host, port and what to try."""


class AddressInUseError(DsmqError):
    """The broker's port is in use; the text names it and says what to do."""


class InsecureError(DsmqError):
    """A server would accept every machine, or TLS cannot be used; the text says what to do."""


class RequestRefusedError(DsmqError):
    """The broker understood a request and refused it.

    Attributes:
        reason: the reason, in the broker's own words.
    """

    def __init__(self, text: str, *, reason: str = "") -> None:
        """Give the whole text, which may be the broker's own."""
        super().__init__(text)
        self.reason = reason or text


class NodeNameTakenError(RequestRefusedError):
    """A node of this name is connected already; the text names its pid and host."""


class ForkedError(DsmqError, RuntimeError):
    """A forked child uses an object of its parent; the text says what to do instead."""


class MessageError(DsmqError, ValueError):
    """A message does not fit its type: the text names the type, the field and the value."""


class LaunchProblem(NamedTuple):
    """One problem in a launch file; line and column count from 1, 0 means the file itself.

    `file` is empty for the given file; for a file that it includes it is that file's name.
    """

    line: int
    column: int
    message: str
    source: str = ""
    file: str = ""


class LaunchFileError(DsmqError):
    """A launch file that cannot be used; the text shows every problem, its place and its line."""

    _MOST_SHOWN = 50
    _WIDTH = 100

    def __init__(self, file: str, problems: Sequence[LaunchProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        shown = [self.render(problem) for problem in self.problems[: self._MOST_SHOWN]]
        if len(self.problems) > self._MOST_SHOWN:
            shown.append(f"{file}: and {len(self.problems) - self._MOST_SHOWN} more problems")
        super().__init__("\n".join(shown))

    def render(self, problem: LaunchProblem) -> str:
        """Return a problem as it is shown: its place, its line, a caret."""
        file = one_line(problem.file or self.file)
        if not problem.line:
            return f"{file}: {problem.message}"
        head = f"{file}:{problem.line}:{problem.column}: {problem.message}"
        # A line of a megabyte is cut around the caret; control characters are not shown.
        start = max(0, problem.column - 1 - self._WIDTH // 2)
        window = problem.source[start : start + self._WIDTH]
        line = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in window)
        before = "".join("\t" if c == "\t" else " " for c in line[: problem.column - 1 - start])
        gutter = f"{problem.line:>5} | "
        return f"{head}\n{gutter}{line}\n{' ' * (len(gutter) - 2)}| {before}^"


class NodeLoadError(DsmqError):
    """A node's module or class that is not there, or is not a node."""


class InvalidNameError(DsmqError, ValueError):
    """A name of a node, namespace or topic that breaks ROS 2's rules; the text says which part."""


class ParameterError(DsmqError, ValueError):
    """Parameters that do not fit the node's model; the text names node, parameter and value."""


class GivenParameterError(ParameterError):
    """A value from a launch file or from a file of parameters does not fit what a node declares.

    Attributes:
        name: the name of the parameter.
        why: what is wrong with the value.
    """

    def __init__(self, owner: str, name: str, why: str, place: str = "") -> None:
        self.name, self.why = name, why
        where = f"{place}: " if place else ""
        super().__init__(f"{where}{owner}: {name}: {why}")


class UndeclaredParameterError(ParameterError):
    """Values from a launch file, or from a file of parameters, that a node does not declare.

    Attributes:
        names: the names of these values.
        known: the names of the node's parameters.
    """

    def __init__(self, text: str, names: Iterable[str], known: Iterable[str]) -> None:
        self.names, self.known = list(names), list(known)
        super().__init__(text)


class NodeConfigurationError(DsmqError):
    """The environment or class of a node has a setting that it cannot use."""


class TypeMismatchError(DsmqError, TypeError):
    """Two ends of a topic have types that do not fit; the text names both, and the fields."""


class SpinError(DsmqError, RuntimeError):
    """A wait or a spin that would never end here; the text says what to write instead."""


class TransitionError(DsmqError):
    """A lifecycle node has no such transition from its state; the text has the possible ones."""


class TransformException(DsmqError):  # noqa: N818  tf2's names, here and below
    """Base of the errors of a transform buffer; their names are those of tf2."""


class LookupException(TransformException):
    """An unknown frame; the text has the nearest known one."""


class ConnectivityException(TransformException):
    """Two frames that belong to different trees; the text names both roots."""


class ExtrapolationException(TransformException):
    """A transform at a time when it is not known; the text has the known times."""


class InvalidArgumentException(TransformException, ValueError):  # noqa: N818
    """A frame's name, a rotation or a number that no transform can have."""


class ServiceError(DsmqError, RuntimeError):
    """A call of a service that has no response; the text says which service, and why."""


class ServiceUnavailableError(ServiceError):
    """No node serves it, or the server was lost during the call, which may have been done."""


class ServiceTimeoutError(ServiceError, TimeoutError):
    """There was no response in time; a later one is ignored."""


class ActionError(DsmqError, RuntimeError):
    """A goal cannot change from its state to another; the text names both."""


class CommandError(DsmqError):
    """Something that a command needs does not exist: a topic, a field, a type, a message."""


class BagError(DsmqError):
    """A bag that cannot be read, written, played or converted; says which part of it is safe."""


class BenchError(DsmqError):
    """A benchmark that could not be run: a way that does not exist, a process that ended."""


class DeviceError(DsmqError):
    """A device that cannot be used; the text names it and says what to do."""


class PortLostError(DeviceError):
    """A device's port does not exist, is in use or has gone away; it may come back."""


class ServoError(DeviceError):
    """A servo does not answer, or is not set as it must be; the text has its id."""


class CalibrationError(DeviceError):
    """A calibration that cannot be read, or that the servos do not have; the text names both."""


class SimulationError(DsmqError):
    """A model that cannot be loaded or rendered, or lacks what a parameter names."""
