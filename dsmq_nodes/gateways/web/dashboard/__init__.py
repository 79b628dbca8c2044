"""The dashboard: its page (`page/`, plain ES modules) and the protocol between it and the gateway.

Text frames are JSON objects with an `op`. The page subscribes to topics (`sub`, `unsub`),
acknowledges data frames (`ack`), drives (`arm`, `drive`, `disarm`), and sends requests that have an
`id` and get an `answer`. The gateway sends `hello`, `graph`, `driver`, `answer`, and `data`: the
messages since the last frame, inserted undecoded. Pictures are binary frames, never base64. A page
that receives nothing for a while checks that the gateway is alive (`ping`, `pong`).
"""
