"""The log that an uplink reads for another machine: all of it, however busy the broker is."""

import os
import signal
import threading

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import Address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.gateways.uplink.log_reader import read_log
from dsmq_nodes.testing import BrokerProcess
from tests.support.processes import suspend

COUNT, BYTES = 12, 2_000_000  # more than a socket has room for


def test_a_broker_that_stands_still_for_a_while_costs_no_message(broker: BrokerProcess) -> None:
    where = Address(*broker.address)
    channel = ClientConnection(where.host, where.port)
    for number in range(1, COUNT + 1):
        put = {"action": "put", "topic": "/log", "message": "x" * BYTES, "ack": number}
        channel.send(wire.encode_object(put))
        channel.receive()
    reading = read_log(where, "/log", after=0, epoch=channel.epoch, depth=COUNT)
    found = [next(reading)[1].id]
    suspend(broker.pid)
    going_on = threading.Timer(1.5, os.kill, (broker.pid, signal.SIGCONT))
    going_on.start()
    found += [reply.id for _, reply in reading]
    going_on.join()
    channel.close()
    assert found == [*range(1, COUNT + 1)]


def test_messages_that_are_not_there_any_more_are_not_waited_for(broker: BrokerProcess) -> None:
    where = Address(*broker.address)
    channel = ClientConnection(where.host, where.port)
    newest = {"action": "put", "topic": "/log", "message": "x" * 8_999_900, "ack": 1}
    for message in ("small", newest["message"]):  # with its push's other words it is too large
        channel.send(wire.encode_object(newest | {"message": message}))
        channel.receive()
    reading = read_log(where, "/log", after=0, epoch=channel.epoch, depth=10)
    assert [reply.id for _, reply in reading] == [1]
    channel.close()
