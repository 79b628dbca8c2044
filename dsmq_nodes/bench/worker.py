"""A process of the benchmark: `python -m dsmq_nodes.bench.worker JSON`.

A publisher or a subscriber takes orders, as described in measuring.py. A broker reports its address
as every broker does, takes no orders, and ends with its input as the others do.
"""

import json
import os
import signal
import sys
import threading
from typing import Any, Final

from dsmq_nodes.bench import measuring
from dsmq_nodes.bench.kinds import KINDS
from dsmq_nodes.dsmq.broker.serve import Options, run
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.run import spin
from dsmq_nodes.launcher.prctl import signal_when_parent_ends
from dsmq_nodes.messages.base import Message

_DEPTH: Final = 1_000_000  # of a flood nothing is to be skipped for lack of depth
_PATIENCE_SEC: Final = 30.0


def publish(given: dict[str, Any]) -> None:
    """Publish on orders."""
    kind = KINDS[given["kind"]]
    with Node(given["name"], broker=(given["host"], given["port"])) as node:
        publisher = node.create_publisher(kind.msg_type, given["topic"], _DEPTH)
        if not publisher.wait_for_subscribers(given["subscribers"], _PATIENCE_SEC):
            raise DsmqError("its subscribers were not seen: is the broker overloaded?")
        measuring.publish(
            lambda built_ns: publisher.publish(kind.build(built_ns)),
            lambda: publisher.dropped,
            shared=publisher.publication.writer is not None,
        )


def subscribe(given: dict[str, Any]) -> None:
    """Subscribe and count."""
    kind = KINDS[given["kind"]]
    with Node(given["name"], broker=(given["host"], given["port"])) as node:

        def on_message(msg: Message) -> None:
            meter.got(kind.built_ns(msg))

        subscription = node.create_subscription(kind.msg_type, given["topic"], on_message, _DEPTH)
        meter = measuring.Meter(lambda: subscription.dropped)

        def obey() -> None:
            meter.obey()
            node.shutdown()

        threading.Thread(target=obey, daemon=True).start()
        measuring.write_answer("ready")
        spin(node)


def serve(given: dict[str, Any]) -> None:
    """Run a broker until the input ends."""

    def end() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()
    sys.exit(run(Options(given["host"], given["port"])))


_ROLES: Final = {"publisher": publish, "subscriber": subscribe, "broker": serve}


def main() -> None:
    """Run the role that the command line names."""
    signal_when_parent_ends(signal.SIGTERM, os.getppid())  # in the middle of an order, too
    given = json.loads(sys.argv[1])
    try:
        _ROLES[given["role"]](given)
    except DsmqError as error:
        sys.exit(str(error))
    except BrokenPipeError:  # the parent is gone
        os._exit(0)


if __name__ == "__main__":
    main()
