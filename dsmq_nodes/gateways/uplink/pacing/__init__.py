"""Limits the rate of messages; no network and no clock."""
