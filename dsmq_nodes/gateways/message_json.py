"""Converts messages to standard JSON: an object, with null for NaN and infinity.

Most texts are passed on unchanged: only a text that may hold a number that JSON does not have is
decoded. The text of a plain client, which may be anything, is shown as `{"data": text}`, like a
`std_msgs/String`.
"""

import json
from typing import Any

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.json_text import is_json, read_json, read_loose_json
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.messages.schema.schema_walk import Schema


def plain_json(entry: Entry, schema: Schema) -> str:
    """Return a message as JSON.

    Raises:
        OverwrittenError: the large field was overwritten in shared memory.
    """
    text = entry.text or ""
    is_special = '"NaN"' in text or 'Infinity"' in text
    if text.startswith("{") and not is_special and is_json(text):
        return text
    return msgspec.json.encode(without_special(decoded(text), schema)).decode()


def decoded(text: str) -> dict[str, Any]:
    """Return the values of a message's text."""
    try:
        found: Any = _values(text)
    except ValueError:
        found = text.encode("utf-8", "replace").decode()
    return found if isinstance(found, dict) else {"data": found}


def _values(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        # It has NaN as a number, half a surrogate pair, which no frame can have, or is not JSON.
        found = json.dumps(read_loose_json(text), ensure_ascii=False)
        return json.loads(found.encode(errors="replace"))
