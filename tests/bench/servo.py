"""Measures the first launch file: `python -m tests.bench.servo`, some three minutes.

Prints a table: start-up times, how the CPU loop holds its setpoint, how fast it is safe when a node
is killed, and whether 1 kHz through the broker loses anything.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable


def row(what: str, figure: str, target: str) -> None:
    print(f"{what:58s} {figure:>22s}   {target}", flush=True)


def best_ms(*argv: str) -> float:
    times = []
    for _ in range(10):
        began = time.perf_counter()
        subprocess.run([PYTHON, *argv], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times) * 1e3


class Servo:
    """The launch file, running."""

    def __init__(self) -> None:
        began = time.perf_counter()
        self.launch = subprocess.Popen(
            [PYTHON, "-m", "dsmq_nodes", "launch", "launch/cpu_servo.yaml"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.launch.stdout is not None
        while "all nodes ready" not in (line := self.launch.stdout.readline()):
            assert line, "the launch has ended"
        self.ready_sec = time.perf_counter() - began
        self.said = line
        self.channel = ClientConnection("127.0.0.1", 30008)
        for topic in ("/governor_state", "/dsmq/graph"):
            self.channel.send(wire.encode_object({"action": "subscribe", "topic": topic}))
        self.pids: dict[str, int] = {}
        while not self.pids:
            self.measured()
        self.burner = psutil.Process(self.pids["/burner"])

    def measured(self) -> float:
        while True:
            reply = self.channel.receive()
            if reply.topic == "/dsmq/graph" and reply.text:
                graph = json.loads(reply.text)
                self.pids = {peer["name"]: peer["pid"] for peer in graph["peers"]}
            if reply.topic == "/governor_state" and reply.text:
                return float(json.loads(reply.text)["measured"])

    def used_sec(self) -> float:
        times = self.burner.cpu_times()
        return float(times.user + times.system)

    def share_over(self, seconds: float) -> float:
        """The burner's share by the system's own accounting, not by the loop's sensor."""
        began, used = time.monotonic(), self.used_sec()
        while time.monotonic() - began < seconds:
            self.measured()
        return (self.used_sec() - used) / (time.monotonic() - began)

    def safe_after_sec(self, victim: str) -> float:
        """How long after a kill -9 the burner last burned; its idle cost is under 10 %."""
        os.kill(self.pids[victim], signal.SIGKILL)
        killed = time.monotonic()
        last_burning = 0.0
        while (now := time.monotonic()) - killed < 3:
            used = self.used_sec()
            time.sleep(0.1)
            if (self.used_sec() - used) / (time.monotonic() - now) > 0.15:
                last_burning = time.monotonic() - killed
        return last_burning

    def end(self) -> str:
        self.channel.close()
        self.launch.send_signal(signal.SIGINT)
        return self.launch.communicate(timeout=20)[0]


def thousand_hz(seconds: int) -> tuple[int, int, list[float]]:
    """(sent, received in order, latencies in s) of 300 B texts at 1 kHz through a broker."""
    broker = subprocess.Popen(
        [PYTHON, "-m", "dsmq_nodes.dsmq.broker", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert broker.stdout is not None
    port = int(broker.stdout.readline().split("127.0.0.1:")[1].split()[0])
    subscriber = ClientConnection("127.0.0.1", port)
    subscriber.send(wire.encode_object({"action": "subscribe", "topic": "/t", "depth": 1000}))
    subscriber.receive()
    subscriber.socket.settimeout(3)
    count = seconds * 1000
    publisher = subprocess.Popen(
        [PYTHON, "-m", "tests.bench.servo", "publish", str(port), str(count)]
    )
    latencies: list[float] = []
    try:
        while len(latencies) < count:
            reply = subscriber.receive()
            if reply.seq != len(latencies) + 1:
                break
            latencies.append((time.time_ns() - reply.stamp) * 1e-9)
    except TimeoutError:
        pass
    publisher.wait()
    broker.send_signal(signal.SIGINT)
    broker.wait()
    return count, len(latencies), latencies


def publish(port: int, count: int) -> None:
    channel = ClientConnection("127.0.0.1", port)
    topic, text = wire.encode_text("/t"), wire.encode_text("x" * 300)
    due = time.perf_counter()
    for seq in range(1, count + 1):
        due += 0.001
        if (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        channel.send(wire.encode_put(topic, seq, time.time_ns(), text))


def main() -> None:
    row("dsmq-nodes --help, best of 10", f"{best_ms('-m', 'dsmq_nodes', '--help'):.0f} ms", "< 150")
    row("import dsmq_nodes, best of 10", f"{best_ms('-c', 'import dsmq_nodes'):.0f} ms", "< 120")
    servo = Servo()
    row("launch to every node ready", f"{servo.ready_sec:.2f} s", "< 2")
    servo.share_over(9)
    shares = [servo.share_over(20) for _ in range(2)]
    row("share over 20 s, setpoint 0.35", " ".join(f"{share:.3f}" for share in shares), "+- 0.03")
    servo.channel.send(
        wire.encode_object({"action": "put", "topic": "/setpoint", "message": '{"data": 0.6}'})
    )
    servo.share_over(5)
    row("share over 20 s, setpoint now 0.6", f"{servo.share_over(20):.3f}", "+- 0.03")
    row("cpu_sensor killed: burns for", f"{servo.safe_after_sec('/cpu_sensor'):.2f} s", "< 0.7")
    for line in servo.end().splitlines():
        if " Hz" in line and line.startswith("/"):
            row("declared, achieved rate", " ".join(line.split()[:5]), "1 %")
    servo = Servo()
    servo.share_over(5)
    row("governor killed: burns for", f"{servo.safe_after_sec('/governor'):.2f} s", "< 0.7")
    servo.end()
    sent, received, latencies = thousand_hz(60)
    row("1 kHz x 300 B, 60 s: received in order", f"{received} of {sent}", "all")
    cuts = statistics.quantiles(latencies, n=100)
    row("  latency p50 / p99", f"{cuts[49] * 1e6:.0f} / {cuts[98] * 1e6:.0f} us", "")


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
