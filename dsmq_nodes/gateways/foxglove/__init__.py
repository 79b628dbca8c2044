"""Foxglove's WebSocket protocol: shows a live graph in Foxglove, Lichtblick and their libraries.

Nothing here does I/O: the web gateway moves the frames. The specification is the `spec.md` of
foxglove/ws-protocol; `foxglove.sdk.v1` is the newer name of the same protocol.
"""
