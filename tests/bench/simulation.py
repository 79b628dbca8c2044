"""Measures the cost of simulation in MuJoCo: `python -m tests.bench.simulation`, some two minutes.

Steps alone; launch files as processes in real time, CPU by process; the same files on the virtual
clock, by CPU time. The camera needs OpenGL.
"""

import hashlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

import mujoco
import psutil

from dsmq_nodes.messages import Image, JointState, Odometry
from dsmq_nodes.sim.world import World
from dsmq_nodes.testing import Graph
from dsmq_nodes.tools.running_launch import RunningLaunch
from dsmq_nodes.tools.session import Session
from tests.bench.servo import row

ROOT: Final = Path(__file__).parents[2]
_STEPS: Final = 20_000
_PICTURES: Final = "/camera/front/image_raw"
_Args = dict[str, bool | float | str]


def step_cost(model: str) -> float:
    """The share of a core that a model takes at its own timestep."""
    world = World(model)
    began_sec = time.process_time()
    mujoco.mj_step(world.model, world.data, nstep=_STEPS)
    return (time.process_time() - began_sec) / (_STEPS * float(world.model.opt.timestep))


def real(file: str, seconds: float, words: list[str]) -> dict[str, float]:
    """The share of a core that each process of a launch takes."""
    command = [sys.executable, "-m", "dsmq_nodes", "launch", f"launch/{file}", "--no-table", *words]
    launch = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert launch.stdout is not None
    said = ""
    while "all nodes ready" not in said:
        line = launch.stdout.readline()
        if not line:
            raise RuntimeError(said)
        said += line
    broker = re.search(r"listening on (\S+:\d+)", said)
    assert broker is not None, said
    try:
        with Session(broker[1]) as session:
            found = RunningLaunch(session).state().processes
            processes = {each.name: psutil.Process(each.pid) for each in found}
            session.subscribe(_PICTURES)
            session.until(lambda: False, 3.0)  # commands are obeyed
            before, began_sec = {n: _used_sec(p) for n, p in processes.items()}, time.monotonic()
            session.until(lambda: False, seconds)
            span_sec = time.monotonic() - began_sec
            return {n: (_used_sec(p) - before[n]) / span_sec for n, p in processes.items()}
    finally:
        launch.send_signal(signal.SIGINT)
        launch.communicate(timeout=60.0)


def virtual(file: str, seconds: float, args: _Args, without: list[str]) -> tuple[float, str]:
    """How many times as fast as real time, by CPU time; and all states in sum."""
    path = ROOT / "launch" / file
    with redirect_stdout(StringIO()), Graph.from_launch(path, args=args, without=without) as graph:
        joints = graph.observe(JointState, "joint_states")
        truth = graph.observe(Odometry, "ground_truth")
        pictures = graph.observe(Image, _PICTURES)
        began_sec = time.process_time()
        graph.run_for(seconds)
        used_sec = time.process_time() - began_sec
        states = "".join(each.to_json() for each in [*joints, *truth, *pictures])
    return seconds / used_sec, hashlib.sha256(states.encode()).hexdigest()


def _used_sec(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    seconds = 3.0 if "--quick" in sys.argv else 15.0
    row("load of the machine, 1 min, before", f"{psutil.getloadavg()[0]:.1f}", "idle: < 0.3")
    for model, most in (("so101", "< 3 %"), ("diffbot", "")):
        row(f"{model}: steps alone, 500 Hz", f"{step_cost(model):.2%} of a core", most)
    with tempfile.TemporaryDirectory() as folder:
        sim, quiet = "sim:=mujoco", f"picture:={folder}/x.svg"
        found = real("diffbot.yaml", seconds, [sim, "camera:=true", quiet, "port:=0"])
        row("diffbot: physics, 100 Hz, imu, scan", f"{found['plant']:.1%}", "< 15 %")
        both = found["plant"] + found["camera"]
        row("  and camera, 320x240 at 15 Hz", f"{both:.1%}", "< 25 %")
        row("  broker", f"{found['broker']:.1%}", "")
        port = f"port:={folder}/bus"
        found = real("arm.yaml", seconds, [sim, "wave:=true", port, "broker_port:=0"])
        row("arm: physics and its servos' bus", f"{found['servo_bus']:.1%}", "")
        row("  driver, 6 servos at 100 Hz", f"{found['arm']:.1%}", "")
        diffbot: _Args = {"sim": "mujoco", "picture": ""}
        arm: _Args = {"sim": "mujoco", "wave": True, "socket": True, "port": f"{folder}/bus"}
        rows: list[tuple[str, str, _Args, str]] = [
            ("diffbot", "diffbot.yaml", diffbot, "> 10 x"),
            ("diffbot with camera", "diffbot.yaml", {**diffbot, "camera": True}, "> 4 x"),
            ("arm over its bus", "arm.yaml", arm, "> 8 x"),
        ]
        for name, file, args, least in rows:
            without = ["/monitor"] if file == "diffbot.yaml" else []
            runs = [virtual(file, 2 * seconds, args, without) for _ in range(2)]
            factors = " and ".join(f"{factor:.1f} x" for factor, _ in runs)
            row(f"virtual clock: {name}", factors, least)
            row("  two runs", "identical" if runs[0][1] == runs[1][1] else "DIFFER", "identical")
    row("load of the machine, 1 min, after", f"{psutil.getloadavg()[0]:.1f}", "")


if __name__ == "__main__":
    main()
