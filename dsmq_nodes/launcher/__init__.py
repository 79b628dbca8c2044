"""Launch files: text, model, plan, supervisor; `launch` does it all."""

from pathlib import Path


def launch(path: Path, *, duration_sec: float | None = None) -> int:
    """Start the broker and the nodes of a launch file, and run them to their end.

    Args:
        path: the launch file.
        duration_sec: end after so many seconds; None: on Ctrl-C or SIGTERM.

    Returns:
        The exit status: 0 when all went well, 1 when something failed; what, has been said.

    Raises:
        LaunchFileError: The file is wrong; nothing was started.
    """
    # Here, because every process of a launch imports this package.
    from dsmq_nodes.launcher.file import load  # noqa: PLC0415
    from dsmq_nodes.launcher.plan import find_project_root, make_plan  # noqa: PLC0415
    from dsmq_nodes.launcher.supervisor import run_plan  # noqa: PLC0415

    return run_plan(make_plan(load(path), find_project_root(path)), duration_sec=duration_sec)
