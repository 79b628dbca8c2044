"""Limits of how fast messages are sent. Pure: no network and no clock."""
