"""Advertising waits for the broker's answer, and for nothing else."""

import logging
import time

import pytest

from dsmq_nodes import Message, Node
from dsmq_nodes.testing import BrokerProcess


class One(Message, type_name="a_msgs/msg/Same"):
    data: int = 0


class Two(Message, type_name="b_msgs/msg/Same"):
    data: int = 0


def test_what_is_logged_while_the_answer_comes_does_not_hold_it_up(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dsmq_nodes.node")
    with Node("one") as one, Node("two") as two:
        one.create_publisher(One, "/t", 1)
        two.create_publisher(One, "/warm", 1)
        began_sec = time.monotonic()
        two.create_publisher(One, "/u", 1)
        alone_sec = time.monotonic() - began_sec
        # That the types differ is told, and logged on /rosout, before the answer is read.
        two.create_subscription(Two, "/t", print, 1)
        began_sec = time.monotonic()
        two.create_publisher(One, "/v", 1)
        assert time.monotonic() - began_sec < alone_sec + 0.9  # it was the whole patience of 1 s
