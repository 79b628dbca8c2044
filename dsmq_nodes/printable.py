r"""Makes texts from others safe for a terminal or a log.

A peer chooses its types, fields, logger names, errors and messages. A character that a terminal
acts on (an escape sequence, a C1 control, a mark that changes the direction of reading, a line
break that is not "\n") is written as JSON escapes it, such as `\u001b`: users see what came, and
JSON stays JSON. A line break in a name is escaped, since it could forge a line of a table or of a
log.
"""

import codecs
import os
import re
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

_CONTROLS: Final = "\x00-\x08\x0b-\x1f"  # all of ASCII without "\t" and "\n"
# DEL and C1, marks of direction, line and paragraph separators, halves of surrogate pairs. Joiners
# and variation selectors stay: emoji are made of them.
_OTHERS: Final = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff"
# The kit's frames, and asyncio's, begin every traceback of a callback.
_BELOW_PROGRAMS: Final = tuple(
    f"{folder}{os.sep}"
    for folder in (Path(__file__).parent, Path(os.__file__).with_name("asyncio"))
)
# `re` compiles them when there is something to print.
_UNSAFE: Final = f"[{_CONTROLS}{_OTHERS}]"
_UNSAFE_OR_BREAK: Final = f"[\t\n{_CONTROLS}{_OTHERS}]"
# The same inside a JSON text, where a control character must be an escape.
_UNSAFE_IN_JSON: Final = f"\\\\(?:u[0-9a-fA-F]{{4}}|.)|[{_OTHERS}]"
_IN_JSON: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# Replacements for a terminal without these characters.
_PLAIN: Final = {
    **dict.fromkeys("─━═╌", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("├┼┤┬┴╰╭╮╯┌┐┘", "+"),
    "└": "`",
    **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True)),
    "▏": "|",
    "…": "...",
    "µ": "u",
    "→": "->",
}
_LAST_BMP: Final = 0xFFFF
_LONGEST_ERROR: Final = 2000


def is_drawn_on(stream: IO[Any]) -> bool:
    """Whether a stream is a terminal that acts on escape sequences, unlike Emacs's shell."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def visible(text: str) -> str:
    """Return the text with control characters escaped, except tabs and line breaks."""
    return re.sub(_UNSAFE, _escaped, text)


def one_line(text: str) -> str:
    """Return the text with tabs and line breaks escaped as well: for names, and others' errors."""
    return text if text.isprintable() else re.sub(_UNSAFE_OR_BREAK, _escaped, text)


def indented(text: str) -> str:
    """Return lines made visible, all except the first indented, so that each record stands out."""
    return visible(text).replace("\n", "\n    ")


def printable_json(text: str) -> str:
    """Return a JSON text with each string in one line, as by `one_line`."""
    return re.sub(_UNSAFE_IN_JSON, _escaped_in_json, text)


def error_text(error: BaseException) -> str:
    """Return an exception as `ValueError: no`, visible, cut, and even if its text raises."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  raised by the program's own class
        text = "(its text raises an exception)"
    if len(text) > _LONGEST_ERROR:
        text = f"{text[:_LONGEST_ERROR]}..."
    return visible(f"{type(error).__name__}: {text}")


def is_printable(text: str) -> bool:
    """Whether a text may be shown as it is, in one line."""
    return text.isprintable() or re.search(_UNSAFE_OR_BREAK, text) is None


def traceback_text(error: BaseException) -> str:
    """Return a traceback, in which the exception's text cannot look like another line.

    It begins with the program: the kit's frames before that, which are in every traceback, are left
    out.
    """
    shown = traceback.format_exception(type(error), error, of_program(error.__traceback__))
    return "".join(map(_hanging_indent, shown))


def of_program(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame of the program on; the whole one where there is none."""
    rest = trace
    while rest is not None and rest.tb_frame.f_code.co_filename.startswith(_BELOW_PROGRAMS):
        rest = rest.tb_next
    return rest or trace


def _hanging_indent(part: str) -> str:
    first, *more = visible(part).removesuffix("\n").split("\n")
    lines = [line if not line or line[0] in " ^" else f"    {line}" for line in more]
    return "\n".join([first, *lines, ""])


def _escaped(match: re.Match[str]) -> str:
    return _escape(match[0])


def _escaped_in_json(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] != "\\":
        return f"\\{_escape(found)}"
    if found[1] == "u":
        character = chr(int(f"0x{found[2:]}", 0))
        is_half = "\ud800" <= character <= "\udfff"  # of an emoji; the decoder refuses one alone
        return found if is_half or is_printable(character) else f"\\{_escape(character)}"
    short = _IN_JSON.get(found[1])
    return f"\\{_escape(short)}" if short else found


def _escape(character: str) -> str:
    code = ord(character)
    if code > _LAST_BMP:  # two halves, as in JSON
        high, low = divmod(code - _LAST_BMP - 1, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return _SHORT.get(character) or f"\\u{code:04x}"


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an output's encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each) or _escape(each) for each in missing), error.end


ENCODING_ERRORS: Final = "dsmq_nodes.printable"
"""The name of the way to treat characters that an encoding does not have: they are escaped."""
codecs.register_error(ENCODING_ERRORS, _replace)
