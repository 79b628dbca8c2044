"""Actions: goals that take their time, tell of it, and can be cancelled."""
