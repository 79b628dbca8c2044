"""The dashboard that runs beside a launch: `launch --web`. Needs the extra `web`."""

from dataclasses import replace
from pathlib import Path

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.web.launch_entry import MODULE, NODE, WebEntry
from dsmq_nodes.launcher.supervise.plan import Plan
from dsmq_nodes.launcher.supervise.planning import gateway_plan


def web_beside(plan: Plan) -> Plan:
    """Add the dashboard with its defaults to a plan, unless the launch file has one.

    Raises:
        CommandError: the libraries are not installed, or a node has its name.
    """
    entry = WebEntry()
    for process in plan.nodes:
        if any(node.name == NODE for node in process.nodes):
            if MODULE in process.argv:
                return plan
            raise CommandError(f"--web: a node of the launch file is named {NODE} already")
    if missing := entry.missing():
        raise CommandError(f"--web: {missing}")
    return replace(plan, nodes=(*plan.nodes, gateway_plan("web", entry, Path.cwd())))
