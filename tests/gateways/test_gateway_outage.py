"""The broker is killed and comes back: clients of every protocol stay, and go on."""

import asyncio
import contextlib
import json
import struct
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from dsmq_nodes.testing import BrokerProcess
from tests.support.waiting import PATIENCE_SEC


class Socket:
    """A websocket whose frames can be waited for."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.texts: list[Any] = []

    async def say(self, op: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"op": op, **fields}))

    async def next(self, op: str = "", binary: bool = False) -> Any:
        """The next text frame of an operation, or the next binary frame."""
        async with asyncio.timeout(PATIENCE_SEC):
            while True:
                data = (await self.socket.receive()).data
                if isinstance(data, bytes):
                    if binary:
                        return data
                    continue
                assert isinstance(data, str), data  # else the socket was ended
                frame = json.loads(data)
                self.texts.append(frame)
                if not binary and frame["op"] == op:
                    return frame


async def _clients_stay(gateway: str, broker: BrokerProcess) -> None:
    async with (
        ClientSession() as session,
        session.ws_connect(f"http://{gateway}/rosbridge") as first,
        session.ws_connect(
            f"http://{gateway}/foxglove", protocols=["foxglove.websocket.v1"]
        ) as second,
    ):
        ros, fox = Socket(first), Socket(second)
        channel = 0
        while not channel:
            offered = await fox.next("advertise")
            channel = next((c["id"] for c in offered["channels"] if c["topic"] == "/scan"), 0)
        await fox.say("subscribe", subscriptions=[{"id": 3, "channelId": channel}])
        await ros.say("subscribe", topic="/scan")
        await ros.say("advertise", topic="/listener", type="std_msgs/String")
        await ros.next("publish")
        assert struct.unpack_from("<BI", await fox.next(binary=True)) == (1, 3)
        fox.texts.clear()
        broker.kill()
        await ros.say("call_service", id="lost", service="/switch", args={"data": True})
        answer = await ros.next("service_response")
        assert answer["result"] is False
        await asyncio.to_thread(broker.start)
        with contextlib.suppress(TimeoutError):  # what was on its way when it died
            async with asyncio.timeout(0.5):
                while True:
                    await ros.next("publish")
        await ros.next("publish")
        await fox.next(binary=True)
        await ros.say("publish", topic="/listener", msg={"data": "still here"})
        values: Any = ""
        while not isinstance(values, dict):  # its node may be a little later
            await ros.say("call_service", id="back", service="/switch", args={"data": True})
            values = (await ros.next("service_response"))["values"]
        assert values == {"success": True, "message": "on"}
        assert [each for each in fox.texts if each["op"] == "unadvertise"] == []


def test_clients_stay_when_the_broker_is_killed(gateway: str, broker: BrokerProcess) -> None:
    asyncio.run(_clients_stay(gateway, broker))
