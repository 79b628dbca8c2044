"""Puts a greeting on a queue each second; examples/get_client.py gets it. Needs a broker."""

import argparse
import contextlib
import time

from dsmq_nodes import dsmq


def run(host: str, port: int, count: int) -> None:
    with dsmq.connect_to_server(host=host, port=port) as mq:
        for i in range(count):
            time.sleep(1)
            msg = f"{i}. Hello, world"
            mq.put("greetings", msg)
            print(f"client sent {msg}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host", nargs="?", default="127.0.0.1")
    parser.add_argument("port", nargs="?", default=30008, type=int)
    parser.add_argument("--count", default=1000, type=int, help="how many messages")
    with contextlib.suppress(KeyboardInterrupt):
        run(**vars(parser.parse_args()))
