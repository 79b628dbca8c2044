"""What a dataset costs, and whether LeRobot loads it: `python -m tests.bench.lerobot [PYTHON...]`.

Each PYTHON is an interpreter with LeRobot (`pip install 'lerobot[dataset]'`, some 5 GB), which
loads every item, with what is in the frames beside it. Where lerobot-lint is beside it
(`pip install lerobot-lint`), it looks too. Some two minutes.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import convert
from dsmq_nodes.bag.file.repair import repair
from tests.bag.lerobot.arm_bag import STATE, write_arm_bag

SECONDS = 14.0
LOAD = """
import sys, time
from importlib.metadata import version
from lerobot.datasets.lerobot_dataset import LeRobotDataset
camera = "observation.images.front"
times = {"observation.state": [-1/30, 0], "action": [0, 1/30], camera: [-1/30, 0]}
found = LeRobotDataset("a/b", root=sys.argv[1], video_backend="pyav", delta_timestamps=times)
began = time.perf_counter()
for number in range(len(found)):
    item = found[number]
each_ms = 1e3 * (time.perf_counter() - began) / len(found)
print(f"LeRobot {version('lerobot')}: {len(found)} items of {found.num_episodes} episodes, "
      f"{each_ms:.0f} ms each; task {item['task']!r}, pictures {tuple(item[camera].shape)}")
"""


def row(what: str, figure: str) -> None:
    print(f"{what:58s} {figure}", flush=True)


def digest(root: Path) -> str:
    found = hashlib.sha256()
    for each in sorted(p for p in root.rglob("*") if p.is_file()):
        found.update(str(each.relative_to(root)).encode() + each.read_bytes())
    return found.hexdigest()[:12]


def main(interpreters: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lerobot"))
    bag = write_arm_bag(
        folder / "run", SECONDS, silent=(STATE, 6.0, 7.0), size=(320, 240), chunk_bytes=1 << 20
    )
    digests = []
    for name in ("one", "two"):
        began, cpu = time.perf_counter(), time.process_time()
        done = convert(open_source([bag]), folder / name, "lerobot")
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        rate = f"{done.messages / took:.0f} frames/s, {done.messages / cpu:.0f} a CPU second"
        row(f"export of {done.messages} frames of 320x240", rate)
        digests.append(digest(folder / name))
    row("the same bag, the same bytes", "yes" if len(set(digests)) == 1 else "NO")
    data = bag.read_bytes()
    for part in (0.2, 0.4, 0.6, 0.8, 0.99):
        cut = folder / f"cut_{part}.mcap"
        cut.write_bytes(data[: int(len(data) * part)])
        saved = repair(cut, folder / f"saved_{part}.mcap")
        frames = convert(open_source([saved.path]), folder / f"of_{part}", "lerobot").messages
        row(f"bag cut at {part:.0%} of {len(data) / 1e6:.1f} MB", f"{frames} frames")
    doctor = Path(sys.executable).with_name("lerobot-doctor")
    if doctor.exists():
        told = subprocess.run([doctor, folder / "one"], capture_output=True, text=True, check=False)
        row("lerobot-doctor", told.stdout.partition("Summary: ")[2].partition("\n")[0])
    for each in interpreters:
        offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
        subprocess.run([each, "-c", LOAD, folder / "one"], check=True, env=offline)
        if (lint := Path(each).with_name("lelint")).exists():
            home = {**offline, "HF_LEROBOT_HOME": str(folder.parent)}
            command = [str(lint), "check", f"{folder.name}/one"]
            told = subprocess.run(command, capture_output=True, text=True, check=False, env=home)
            row("lerobot-lint", told.stdout.partition("Summary: ")[2].partition("\n")[0])


if __name__ == "__main__":
    main(sys.argv[1:])
