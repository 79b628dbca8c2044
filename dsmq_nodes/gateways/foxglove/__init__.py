"""Foxglove's WebSocket protocol: Foxglove, Lichtblick and their libraries see a graph live.

Everything here is sans-I/O: the web gateway moves the frames. The specification is the `spec.md` of
foxglove/ws-protocol; `foxglove.sdk.v1` is the newer name of the same protocol.
"""
