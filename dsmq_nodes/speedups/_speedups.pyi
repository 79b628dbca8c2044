# The compiled part as type checkers see it.

VERSION: int

class Plan:
    """How messages of one type become JSON text and are made from it."""
