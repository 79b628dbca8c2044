"""The dashboard: its page (`page/`, plain ES modules) and the protocol between it and the gateway.

Text frames are JSON objects with an `op`. The page subscribes topics (`sub`, `unsub`), acknowledges
data frames (`ack`), drives (`arm`, `drive`, `disarm`), and asks questions that have an `id` and get
an `answer`. The gateway sends `hello`, `graph`, `driver`, `answer`, and `data`: the messages since
the last frame, spliced in undecoded. Pictures go as binary frames, never as base64. A page that
hears nothing for a while asks whether the gateway is still there (`ping`, `pong`).
"""
