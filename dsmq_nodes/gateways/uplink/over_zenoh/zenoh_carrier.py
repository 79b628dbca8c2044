"""Zenoh as a carrier: see zenoh_keys.py for the keys and zenoh_config.py for the settings.

Nothing waits in this class: every message may be dropped if a link has no room
(`CongestionControl.DROP`), so that one slow machine does not delay others; the uplink keeps
messages for which its own link has no room (`link_room.py`). Answers wait instead (`BLOCK`), in
threads of their own, and so does a message that is larger than Zenoh's buffers: meanwhile there is
no room for others.

Zenoh calls from its own threads; received data is enqueued for the uplink's thread. A machine that
does not answer a request keeps no thread busy.
"""

import contextlib
import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import zenoh

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.uplink.fleet_carrier import (
    CarrierEvents,
    Confirmation,
    Item,
    Question,
    TopicOffer,
)
from dsmq_nodes.gateways.uplink.launch_entry import UplinkTls
from dsmq_nodes.gateways.uplink.over_zenoh import zenoh_keys as keys
from dsmq_nodes.gateways.uplink.over_zenoh.link_probe import why_unreachable
from dsmq_nodes.gateways.uplink.over_zenoh.link_room import LinkRoom, bound_listeners, link_end
from dsmq_nodes.gateways.uplink.over_zenoh.machine_name import MachineName
from dsmq_nodes.gateways.uplink.over_zenoh.zenoh_config import RETRY_MS
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import one_line
from dsmq_nodes.topic_names import is_call

if TYPE_CHECKING:
    from dsmq_nodes.gateways.uplink.over_udp.udp_relay import UdpRelay

logger = logging.getLogger("dsmq_nodes.uplink")

_ANSWER_SEC: Final = 30.0  # for a slow link; a lost link ends the request at once
_THREADS: Final = 8
_DESCRIPTORS: Final = 20  # for a session with a link or two; without them Zenoh panics
_LARGE_BYTES: Final = 6 * 1024  # what Zenoh accepts at once, with the buffers of zenoh_config.py
_NOBODY: Final = "Unable to connect to any of"  # Zenoh's message
_PATIENCE_SEC: Final = 2.0  # then a missing connection is logged
_PROBE_SEC: Final = 5.0  # the reason may change
_MOST_AT_ONCE: Final = 20  # of what others have sent; then this machine's messages have their turn
_MOST_WAITING: Final = 1000  # messages of a topic; further ones are lost, and counted
_read_question: Final = json_reader(Question)
_read_confirmation: Final = json_reader(Confirmation)


def _uptime_sec() -> float:
    """Return a time of this machine that no router finds ahead of its own and replaces.

    It goes on while the machine sleeps: messages after that are not late.
    """
    if sys.platform != "linux":
        return time.monotonic()
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def open_session(config: dict[str, Any]) -> Any:
    """Return a session; Zenoh has no types for it.

    Raises:
        CommandError: there are too few file descriptors.
        zenoh.ZError: it cannot listen, no router answers, or its settings are refused.
    """
    try:
        descriptors.check_available(_DESCRIPTORS)
    except OSError as error:
        raise CommandError(descriptors.no_more(error)) from None
    made = zenoh.Config()
    for path, value in config.items():
        made.insert_json5(path, json.dumps(value))
    session = zenoh.open(made)
    bound_listeners()
    return session


def _local_ends(session: Any) -> list[str]:
    return [str(link.src) for link in session.info.links()]


class _Offered:
    """Zenoh's objects of an offered topic."""

    def __init__(self, session: Any, offer: TopicOffer, wanted: Any) -> None:
        key = keys.data_key(offer.fleet_name)
        urgent = is_call(offer.fleet_name)
        self.publisher = session.declare_publisher(
            key,
            congestion_control=zenoh.CongestionControl.DROP,
            priority=zenoh.Priority.INTERACTIVE_HIGH if urgent else zenoh.Priority.DATA,
            express=urgent,
            allowed_destination=zenoh.Locality.REMOTE,
        )
        self._listener = self.publisher.declare_matching_listener(wanted)
        self._token = session.liveliness().declare_token(keys.offer_key(offer))

    def close(self) -> None:
        for each in (self._token, self._listener, self.publisher):
            with contextlib.suppress(zenoh.ZError):
                each.undeclare()


class ZenohCarrier:
    """A carrier over Zenoh."""

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        tls: UplinkTls | None = None,
        relay: "UdpRelay | None" = None,
    ) -> None:
        """Make a carrier for the machine `name`; `config` is the result of `zenoh_config`.

        Args:
            name: the machine's name.
            config: the configuration of Zenoh.
            tls: this machine's certificates.
            relay: the relay for UDP endpoints; it logs itself why one cannot be reached.
        """
        self._tls, self._relay = tls, relay
        self.peer = ""
        self._name, self._config = name, config
        self._session: Any = None
        self._offers: dict[str, TopicOffer] = {}
        self._offered: dict[str, _Offered] = {}
        self._wanted: dict[str, Any] = {}
        self._declared: list[Any] = []
        self._inbox: deque[Callable[[], None]] = deque()
        self._is_scheduled = threading.Lock()  # held while the uplink's thread is about to read it
        self._is_probing = False
        self._is_unreadable_logged = False  # whether an unreadable key was logged
        self._is_closed = False
        self._away_since_sec = 0.0  # 0: there is a link, or there has been none yet
        self._room: LinkRoom | None = None
        self._answering = ThreadPoolExecutor(_THREADS, thread_name_prefix="answer")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="ask")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large")
        self._is_sending_large = False

    def open(self, events: CarrierEvents, run: Callable[[Callable[[], None]], object]) -> None:
        """Connect; offers and wanted topics of the meantime are declared when a router answers."""
        self._events, self._run = events, run
        # A daemon: it may wait for a router forever.
        threading.Thread(target=self._open, name="zenoh", daemon=True).start()
        self._probe()

    def _probe(self) -> None:
        if not self._is_probing:
            self._is_probing = True
            threading.Thread(target=self._log_why_unreachable, name="probe", daemon=True).start()

    def _log_why_unreachable(self) -> None:
        """Log why there is no connection, while there is none; each reason once."""
        logged: set[str] = set()
        time.sleep(_PATIENCE_SEC)
        while not self._is_closed and not self.links():
            for endpoint in self._config["connect/endpoints"]:
                is_ours = self._name_of(endpoint) == endpoint  # otherwise the relay logs it
                why = why_unreachable(endpoint, self._tls) if is_ours else ""
                if why and why not in logged:
                    logged.add(why)
                    logger.warning("%s; trying again", why)
                if why and self._relay is not None:
                    self._relay.try_udp(endpoint)
            time.sleep(_PROBE_SEC)
        self._is_probing = False

    def _log_link(self, *, is_there: bool) -> None:
        """Log when the last link is lost, and for how long there was none."""
        now_sec = time.monotonic()
        if is_there and self._away_since_sec:
            logger.info("the link is back after %.1f s", now_sec - self._away_since_sec)
            self._away_since_sec = 0.0
        elif not is_there and not self._away_since_sec:
            self._away_since_sec = now_sec
            logger.warning("the link is down: no machine is connected")
            self._probe()

    def _open(self) -> None:
        try:
            session = self._opened()
        except (zenoh.ZError, CommandError) as error:
            reason = str(error).partition(" at /")[0]
            self._post(lambda: self._events.failed(reason))
            return
        if session is None:
            return
        if self._is_closed:
            session.close()
            return
        self._post(lambda: self._enter(session))

    def _opened(self) -> Any:
        """Return a session as soon as a router answers; None if closed earlier."""
        while not self._is_closed:
            try:
                return open_session(self._config)
            except zenoh.ZError as error:
                if _NOBODY not in str(error):
                    raise
            time.sleep(RETRY_MS / 1000)
        return None

    def _enter(self, session: Any) -> None:
        try:
            self._join(session)
        except Exception as error:  # noqa: BLE001  a partial start would carry nothing, and not end
            self._events.failed(f"cannot join the fleet: {type(error).__name__}: {error}")

    def _join(self, session: Any) -> None:
        self._session, self.peer = session, str(session.zid())
        self._clock_id = session.new_timestamp().get_id()
        room = self._room = LinkRoom(lambda: self._post(self._events.room), self._relay)

        name: MachineName | None = None

        def links_changed(_: zenoh.LinkEvent) -> None:
            links = {(link_end(str(a.src)), link_end(str(a.dst))) for a in session.info.links()}
            if name is not None:
                name.check_links()
            room.set_links(links)
            self._post(lambda: self._log_link(is_there=bool(links)))

        session.info.declare_link_events_listener(links_changed, history=True)
        liveliness = session.liveliness()
        below = f"{self._name}/**" if self._name else "**"
        # The names below a machine's name are offered by that machine, or by one without a name. A
        # machine without a name also sees the offers of other versions.
        offers = f"-/{keys.PARTS_OF_OFFER}/{below}" if self._name else "*/*/**"
        own = f"{keys.LOGS}/{self._name or '-'}/{self.peer}/{below}"
        self._declared = [
            session.declare_queryable(own, self._asked),
            session.declare_subscriber(
                own, self._on_confirmation, allowed_origin=zenoh.Locality.REMOTE
            ),
            session.declare_subscriber(
                f"{keys.LAST}/{below}", self._last, allowed_origin=zenoh.Locality.REMOTE
            ),
            liveliness.declare_subscriber(f"{keys.OFFERS}/{offers}", self._token, history=True),
        ]
        if self._name:
            name = MachineName(
                session,
                self._name,
                partial(_local_ends, session),
                lambda host: self._post(lambda: self._events.namesake(host)),
                lambda host: self._post(lambda: self._events.kept_name(host)),
            )
            self._declared.append(name)
        for offer in list(self._offers.values()):
            self._declare(offer)
        for fleet_name in self._wanted:
            self._wanted[fleet_name] = self._subscriber(fleet_name)

    # From Zenoh's threads to the uplink's

    def _post(self, act: Callable[[], None]) -> None:
        self._inbox.append(act)
        self._schedule()

    def _schedule(self) -> None:
        if self._is_scheduled.acquire(blocking=False):
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._run(self._deliver)

    def _deliver(self) -> None:
        if self._is_closed:
            return
        for _ in range(min(len(self._inbox), _MOST_AT_ONCE)):
            act = self._inbox.popleft()
            try:
                act()
            except Exception:  # from one message: the others continue
                logger.exception("failed to process something from another machine")
        self._is_scheduled.release()
        if self._inbox:
            self._schedule()

    def _token(self, sample: zenoh.Sample) -> None:
        try:
            offer = keys.read_offer(str(sample.key_expr))
        except keys.OtherVersionError as error:
            self._post(partial(self._events.refused, error.machine, str(error)))
            return
        except ValueError:
            self._log_unreadable(str(sample.key_expr))
            return
        if offer.peer != self.peer:
            is_there = sample.kind == zenoh.SampleKind.PUT
            take = self._events.offered if is_there else self._events.withdrawn
            self._post(lambda: take(offer))

    def _log_unreadable(self, key: str) -> None:
        if not self._is_unreadable_logged:
            self._is_unreadable_logged = True
            logger.warning("skipped %s, which cannot be read; others are not logged", one_line(key))

    def _last(self, sample: zenoh.Sample) -> None:
        try:
            fleet_name = keys.fleet_name_of(str(sample.key_expr), 2)
        except ValueError:
            self._log_unreadable(str(sample.key_expr))
            return
        head = sample.payload.to_bytes()
        self._post(lambda: self._events.heartbeat(fleet_name, head))

    def _on_confirmation(self, sample: zenoh.Sample) -> None:
        try:
            fleet_name = keys.fleet_name_of(str(sample.key_expr), 4)
            found = _read_confirmation(sample.payload.to_bytes())
        except ValueError:
            self._log_unreadable(str(sample.key_expr))
            return
        # It is unknown which of a router's links are slow: they count as near.
        routers = map(str, self._session.info.routers_zid())
        is_near = self._config["mode"] == "router" or found.peer in routers
        take = self._events.confirmed
        self._post(lambda: take(fleet_name, found, is_near=is_near))

    def _asked(self, query: zenoh.Query) -> None:
        self._answering.submit(self._answer, query)

    def _answer(self, query: zenoh.Query) -> None:
        with query:
            try:
                key = str(query.key_expr)
                payload = query.payload
                question = _read_question(payload.to_bytes() if payload is not None else b"")
                for head, text in self._events.answer(keys.fleet_name_of(key, 4), question):
                    query.reply(key, text, attachment=head)
            except (zenoh.ZError, OSError, ValueError) as error:
                why = one_line(str(error))
                logger.warning("a request of another machine was not answered: %s", why)

    # Offering and putting

    def offer(self, offer: TopicOffer) -> None:
        """Offer a topic."""
        self._offers[offer.fleet_name] = offer
        if self._session is not None:
            self._declare(offer)

    def _declare(self, offer: TopicOffer) -> None:
        assert self._session is not None
        offer = msgspec.structs.replace(offer, peer=self.peer)
        name = offer.fleet_name

        def wanted(status: zenoh.MatchingStatus) -> None:
            is_wanted = bool(status.matching)
            self._post(lambda: self._events.wanted(name, is_wanted))

        self._offered[name] = offered = _Offered(self._session, offer, wanted)
        if offered.publisher.matching_status.matching:
            self._events.wanted(name, is_wanted=True)

    def withdraw(self, offer: TopicOffer) -> None:
        """Stop offering a topic."""
        self._offers.pop(offer.fleet_name, None)
        offered = self._offered.pop(offer.fleet_name, None)
        if offered is not None:
            offered.close()

    def has_room(self) -> bool:
        """Whether a message would probably be sent soon."""
        return not self._is_sending_large and (self._room is None or self._room.has_room())

    def await_room(self) -> None:
        """Call `room` when there is room."""
        if self._room is not None and not self._is_sending_large:
            self._room.await_room()

    def put(self, fleet_name: str, head: bytes, message: bytes) -> None:
        """Send a message to the machines that want it."""
        if (offered := self._offered.get(fleet_name)) is None:
            return
        sent = zenoh.Timestamp(datetime.fromtimestamp(_uptime_sec(), UTC), self._clock_id)
        put = partial(offered.publisher.put, message, attachment=head, timestamp=sent)
        if len(message) <= _LARGE_BYTES:
            put()
        else:
            self._is_sending_large = True
            self._large.submit(self._put_large, put)

    def _put_large(self, put: Callable[[], object]) -> None:
        with contextlib.suppress(zenoh.ZError):  # the topic was withdrawn meanwhile
            put()
        self._post(self._sent_large)

    def _sent_large(self) -> None:
        self._is_sending_large = False
        self._events.room()

    def send_heartbeat(self, fleet_name: str, head: bytes) -> None:
        """Send a heartbeat of a topic, ahead of a large message that is being sent."""
        if self._session is not None:
            self._session.put(
                keys.last_key(fleet_name), head, priority=zenoh.Priority.INTERACTIVE_HIGH
            )

    # Wanting and asking

    def want(self, fleet_name: str) -> None:
        """Receive the messages of a topic."""
        if self._wanted.get(fleet_name) is None:
            self._wanted[fleet_name] = self._subscriber(fleet_name)

    def _subscriber(self, fleet_name: str) -> Any:
        if self._session is None:
            return None

        waiting: deque[tuple[bytes, bytes, float]] = deque()

        def arrived(sample: zenoh.Sample) -> None:
            if len(waiting) >= _MOST_WAITING:
                return
            attachment = sample.attachment
            head = attachment.to_bytes() if attachment is not None else b""
            text, sent = sample.payload.to_bytes(), sample.timestamp
            sent_sec = sent.get_time().timestamp() if sent is not None else 0.0
            waiting.append((head, text, sent_sec))
            self._post(lambda: self._events.arrived(fleet_name, *waiting.popleft()))

        return self._session.declare_subscriber(
            keys.data_key(fleet_name), arrived, allowed_origin=zenoh.Locality.REMOTE
        )

    def unwant(self, fleet_name: str) -> None:
        """Stop receiving the messages of a topic."""
        if (subscriber := self._wanted.pop(fleet_name, None)) is not None:
            subscriber.undeclare()

    def confirm(self, offer: TopicOffer, message_id: int) -> None:
        """Confirm to the uplink that offers a topic that a message arrived."""
        if self._session is not None:
            self._session.put(
                keys.log_key(offer.machine, offer.peer, offer.fleet_name),
                msgspec.json.encode(Confirmation(offer.epoch, message_id, self.peer)),
                priority=zenoh.Priority.INTERACTIVE_HIGH,
            )

    def ask(self, offer: TopicOffer, question: Question) -> None:
        """Send a request to the uplink that offers a topic."""
        self._asking.submit(self._ask, offer, question)

    def _ask(self, offer: TopicOffer, question: Question) -> None:
        items: list[Item] = []
        most = max(question.depth, 1)

        def replied(reply: zenoh.Reply) -> None:
            if (sample := reply.ok) is not None and len(items) < most:
                attachment = sample.attachment
                head = attachment.to_bytes() if attachment is not None else b""
                items.append((head, sample.payload.to_bytes()))

        def ended() -> None:
            self._post(lambda: self._events.answered(offer, question, items))

        key = keys.log_key(offer.machine, offer.peer, offer.fleet_name)
        try:
            assert self._session is not None
            self._session.get(
                key,
                zenoh.handlers.Callback(replied, ended),
                timeout=_ANSWER_SEC,
                # Otherwise only the newest of several replies with one key arrives.
                consolidation=zenoh.ConsolidationMode.NONE,
                congestion_control=zenoh.CongestionControl.BLOCK,
                payload=msgspec.json.encode(question),
            )
        except zenoh.ZError as error:
            logger.warning("%s could not be requested: %s", offer.fleet_name, error)
            ended()

    def links(self) -> list[str]:
        """Return the other ends of the connections."""
        if self._session is None:
            return []
        ends = (str(link.dst).partition("#")[0] for link in self._session.info.links())
        return sorted(map(self._name_of, ends))

    def _name_of(self, endpoint: str) -> str:
        return endpoint if self._relay is None else self._relay.names.get(endpoint, endpoint)

    def close(self) -> None:
        """Disconnect: a process with an open session would never end."""
        self._is_closed = True
        for pool in (self._answering, self._asking, self._large):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._room is not None:
            self._room.close()
        if self._session is not None:
            self._session.close()
