"""The broker as a program: it moves bytes between sockets, shared memory and the router.

`loop.py` has the class `Broker`; `listener.py` binds TCP, TLS and Unix sockets, `acceptor.py`
accepts connections on them; `peer_connection.py` is one peer's socket; `schedule.py` has the
router's timers; `follow_rings.py` reads what local nodes write to shared memory; `serve.py` has the
options and the signals. Nothing is decided here.
"""
