"""The recorder that runs beside a launch: `launch --record`. Needs the extra `bag`."""

import os
import re
from dataclasses import replace
from pathlib import Path

from dsmq_nodes.bag.file.writing import bag_path
from dsmq_nodes.bag.record.flight import FAILURES, NAME
from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.file.gateway_entries import module_argv
from dsmq_nodes.launcher.supervise.plan import Dependency, NodePlan, Plan, ProcessPlan
from dsmq_nodes.topic_names import RECORDER_NODE, launch_node

_MODULE = "dsmq_nodes.bag.record.flight"
_RING = re.compile(r"ring=(\d+(?:\.\d+)?)(s|m|min)?")
_UNITS_SEC = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0}


def recorder_beside(plan: Plan, record: str, launch_file: Path) -> Plan:
    """Add the recorder to a plan; the other processes start when it is ready.

    Args:
        plan: the plan.
        record: the bag's name, or `ring=60s`.
        launch_file: the launch file, which goes into the bag or the bundle.

    Raises:
        CommandError: `record` is neither, or the bag exists already.
    """
    if found := _RING.fullmatch(record):
        seconds = float(found[1]) * _UNITS_SEC[found[2] or ""]
        what = ["--ring", f"{seconds:g}", "--output", str(Path(FAILURES).absolute())]
    elif record.startswith("ring"):
        raise CommandError(f"--record {record}: write ring=60s, or a bag's name")
    else:
        path = bag_path(record).absolute()
        if path.exists():
            raise CommandError(f"{path} is there already, and stays: name another")
        what = ["--output", str(path)]
    node = launch_node(os.getpid() if plan.elsewhere else 0)
    attached = ("--attach", str(launch_file.absolute()), "--plan", str(plan))
    argv = module_argv(_MODULE, *what, *attached, "--launch", node)
    recorder = ProcessPlan(NAME, argv, nodes=(NodePlan(RECORDER_NODE, _MODULE),))
    waits = Dependency(NAME, RECORDER_NODE)
    others = (replace(each, depends_on=(waits, *each.depends_on)) for each in plan.nodes)
    return replace(plan, nodes=(recorder, *others))
