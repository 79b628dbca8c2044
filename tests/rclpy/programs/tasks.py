"""Tasks and futures: what is awaited, who drives a coroutine, what ends one."""
# mypy: ignore-errors

import asyncio

import rclpy
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.task import Future, FutureState, Task

rclpy.init(args=[])
log = []
print(list(FutureState), FutureState.PENDING, Future()._state)


class Odd:
    def __await__(self):
        first = yield 5
        second = yield "b"
        return first, second


class Entered:
    async def __aenter__(self):
        await asyncio.sleep(0)
        return "entered"

    async def __aexit__(self, *_):
        log.append("left")


def run(label, make, executor=SingleThreadedExecutor, rounds=12):
    """Run what `make(executor)` returns as a task, step by step."""
    ex = executor()
    log.clear()
    errors = []
    task = ex.create_task(make(ex))
    for _ in range(rounds):
        try:
            ex.spin_once(timeout_sec=0.02)
        except BaseException as error:
            errors.append(f"{type(error).__name__} {error}")
    try:
        result = task.result()
    except BaseException as error:
        result = f"{type(error).__name__} {error}"
    if isinstance(ex, MultiThreadedExecutor):  # whose threads may run two tasks in any order
        log.sort(key=str)
    print(label, task.done(), task.cancelled(), task.executing(), result, log, errors)


def children(ex):
    async def child(number):
        log.append(number)
        return number

    async def parent():
        one, two = ex.create_task(child, 1), ex.create_task(child, 2)
        log.append("parent")
        return await two, await one, await child(3)

    return parent


def child_fails(ex):
    async def child():
        raise RuntimeError("child")

    async def parent():
        try:
            await ex.create_task(child)
        except RuntimeError as error:
            log.append("caught")
            return str(error)

    return parent


def odd(_):
    async def work():
        return await Odd()

    return work


def exits(_):
    def work():
        raise SystemExit(4)

    return work


def interrupts(_):
    async def work():
        raise KeyboardInterrupt

    return work


def is_cancelled(ex):
    async def child():
        try:
            await Future(executor=ex)
        finally:
            log.append("finally")

    async def parent():
        task = ex.create_task(child)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        log.append((task.cancelled(), task.done()))
        return await task

    return parent


def cancels_itself(ex):
    async def work():
        await asyncio.sleep(0)
        try:
            task[0].cancel()
        except ValueError as error:
            log.append(str(error))
        return "went on"

    task = []

    def begin():
        task.append(ex.create_task(work))
        return task[0]

    async def outer():
        return await begin()

    return outer


def enters(_):
    async def work():
        async with Entered() as entered:
            log.append(entered)

    return work


def asyncio_inside(_):
    async def inner():
        await asyncio.sleep(0.01)
        return "inside"

    async def work():
        return asyncio.run(inner())

    return work


for given in (
    *(children, child_fails, odd, exits, interrupts),
    *(is_cancelled, cancels_itself, enters, asyncio_inside),
):
    run(given.__name__, given)
for given in (children, child_fails, odd, enters):
    run(given.__name__, given, lambda: MultiThreadedExecutor(2), 20)

door = Future()


async def by_hand():
    return await door, await Odd()


work = by_hand()
print(work.send(None), work.send(None))
door.set_result("open")
try:
    print(work.send(None), work.send("x"))
    work.send("y")
except StopIteration as end:
    print(end.value)
task = Task(by_hand)
for _ in range(4):
    task()
    print(task.done(), task.executing())
print(task.result())
rclpy.shutdown()
