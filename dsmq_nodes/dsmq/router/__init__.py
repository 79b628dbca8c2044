"""The broker's brain: requests in, replies out. No I/O and no clock."""
