"""Topics: the inner sides of publishers and subscriptions, and what happens to messages."""
