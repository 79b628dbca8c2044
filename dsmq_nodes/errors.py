"""Every exception of dsmq_nodes. Each text says what happened, where, and what to do next."""


class DsmqError(Exception):
    """Base of every error that dsmq_nodes raises on purpose."""
