"""Functions of the command line's tools for the page, each in a thread with its own session."""

from typing import Any, Final

from dsmq_nodes.dsmq.address import AnyAddress
from dsmq_nodes.tools.diagnosing.diagnosis import CHECKS, findings
from dsmq_nodes.tools.diagnosing.gathering import Gathering
from dsmq_nodes.tools.running_launch import RunningLaunch
from dsmq_nodes.tools.session import Session

_LINES: Final = 40


def examine(broker: AnyAddress) -> dict[str, Any]:
    """Return the findings of `doctor`.

    Raises:
        DsmqError: the broker does not answer.
    """
    with Session(broker) as session:
        gathering = Gathering(session)
        gathering.gather(0.0)
        seen = gathering.seen(session.graph())
    return {"findings": [each._asdict() for each in findings(seen)], "checks": CHECKS}


def command_launch(broker: AnyAddress, action: str, name: str) -> dict[str, Any]:
    """Do what `node restart`, `stop`, `start` and `log` do, and return the result.

    Raises:
        DsmqError: the command failed; the text is the launch's.
    """
    with Session(broker) as session:
        launch = RunningLaunch(session)
        if action == "lines":
            return {"text": "", "lines": list(launch.lines(name, _LINES, follow=False))}
        result = launch.command(action, name)
        return {"text": result.text, "lines": []}
