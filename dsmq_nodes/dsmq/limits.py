"""The broker's limits; the docstring of wire.py documents them for users of the protocol."""

from typing import Final

MAX_BODY_BYTES: Final = 8_999_999
STRANGERS_BODY_BYTES: Final = 16 * 1024  # before hello, except from the broker's own machine
MOST_PUSH_BYTES: Final = MAX_BODY_BYTES - 32  # of a frame to which a gap may be added
MOST_NUMBER: Final = 2**63 - 1  # the largest that SQLite and a ring can store
MOST_ID: Final = 2**40 - 1  # of a message in its topic
MOST_PID: Final = 2**32 - 1  # Windows's are the largest
MAX_TOPIC_BYTES: Final = 255
MAX_CLIENT_BYTES: Final = 320  # a node's name, its process, its start
MAX_STATE_BYTES: Final = 40
MOST_FAULT_CHARACTERS: Final = 4000
MOST_TOPICS: Final = 10_000
MOST_WAITS: Final = 65_536  # waiting `get`s, of all peers together; 0.6 KiB each
MOST_PATTERNS: Final = 100  # of one peer
MOST_ENDS: Final = 300_000  # readers and publishers of topics, of all peers; 0.7 KiB each
MOST_LATCHED: Final = 100_000  # of one topic
MOST_SCHEMA_BYTES: Final = 64 * 1024
MOST_SCHEMA_LEVELS: Final = 64  # nodes and tools walk through a schema level by level
MOST_SCHEMAS_BYTES: Final = 32 << 20  # of all ends
MOST_PAIRS: Final = 100  # of one end of a topic with others whose types differ
MOST_PAIRS_OF_ALL: Final = 10_000  # 8 KiB each, with the fault
TYPES_KEPT: Final = 512  # schemas, on /dsmq/types
MOST_WAIT_SEC: Final = 3600.0
PATIENCE_SEC: Final = 2.0  # for a hello where a token is required, and for a frame once begun
SLOWEST_BYTES_PER_SEC: Final = 100_000  # of a frame once begun
