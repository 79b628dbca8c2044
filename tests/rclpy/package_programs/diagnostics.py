"""diagnostic_updater: what statuses say, when, and of which hardware."""
# mypy: ignore-errors

import time

import rclpy
from diagnostic_updater import (
    CompositeDiagnosticTask,
    DiagnosticArray,
    DiagnosticStatus,
    DiagnosticStatusWrapper,
    DiagnosticTask,
    FrequencyStatus,
    FrequencyStatusParam,
    FunctionDiagnosticTask,
    Heartbeat,
    TimeStampStatus,
    TimeStampStatusParam,
    Updater,
)
from rclpy.executors import SingleThreadedExecutor


class Warm(DiagnosticTask):
    def run(self, stat):
        stat.summary(DiagnosticStatus.WARN, "warm")
        return stat


def fine(stat):
    stat.summary(DiagnosticStatus.OK, "fine")
    stat.add("key", "value")
    return stat


status = DiagnosticStatusWrapper()
for level, text in ((b"\0", "a"), (b"\1", "b"), (b"\0", "c"), (b"\2", "d"), (b"\2", "e")):
    status.mergeSummary(level, text)
    print(status.level, status.message)
status.clearSummary()
print(status)

rclpy.init(args=[])
node = rclpy.create_node("n", namespace="ns")
executor = SingleThreadedExecutor()
executor.add_node(node)
heard = []
node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
updater = Updater(node, 1000.0)
updater.setHardwareID("hw")


def told():
    until_sec = time.monotonic() + 30
    while not heard and time.monotonic() < until_sec:
        executor.spin_once(timeout_sec=0.1)
    for each in heard.pop(0).status:
        print(each)
    heard.clear()


for name, task in (("fine", fine), (None, Warm("warm"))):
    updater.add(*([name, task] if name else [task]))
    told()
updater.force_update()
told()
updater.broadcast(b"\2", "all")
told()
print(updater.removeByName("fine"), updater.removeByName("fine"))
composite = CompositeDiagnosticTask("both")
composite.addTask(Warm("warm"))
composite.addTask(FunctionDiagnosticTask("fine", fine))
updater.add(composite)
told()
updater.force_update()
told()
updater.publish(DiagnosticStatus(name="alone", level=b"\1"))
told()
print(updater.period, updater.hwid, updater.verbose, updater.node_name)
print([node.get_parameter(f"diagnostic_updater.{name}").value for name in ("period", "use_fqn")])
updater.period = 0.05
print(updater.period)
told()


def run(task):
    stat = DiagnosticStatusWrapper()
    task.run(stat)
    print(stat.level, stat.message, [each.key for each in stat.values])


frequency = FrequencyStatus(FrequencyStatusParam({"min": 1, "max": 1000}, 0.1, 3))
run(frequency)
frequency.tick()
stamps = TimeStampStatus(TimeStampStatusParam())
run(stamps)
now_sec = node.get_clock().now().nanoseconds * 1e-9
for stamp in (now_sec, now_sec + 100.0, now_sec - 100.0):
    stamps.tick(stamp)
    run(stamps)
run(Heartbeat())
rclpy.shutdown()
