"""The bodies of `launch` and `check`."""
