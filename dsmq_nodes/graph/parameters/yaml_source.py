"""Reads the YAML of a launch file, or of a file of parameters, with the place of everything in it.

Of PyYAML only the scanner and the parser are used: a stream of events with marks. Values follow
YAML 1.2 (graph/parameters/yaml12.py), where PyYAML follows 1.1: here `on` and `no` are text, `010`
is ten, `12:30` is text and `1e3` is a thousand. Anchors, aliases, duplicate keys and tags other
than `!!str` and `!!binary` are refused, so that a small file cannot unfold into a large one and no
line silently overrides another. A file of parameters may have a section twice, as in ROS 2: see
`merges`.
"""

import base64
import pathlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, Protocol, TypeAlias

import yaml

from dsmq_nodes.errors import LaunchFileError, LaunchProblem
from dsmq_nodes.given_files import MOST_BYTES, bytes_of, resolved
from dsmq_nodes.graph.parameters.yaml12 import MOST_DIGITS, is_number, plain_value
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean, shorten

NEEDS_NODES = "it needs a list 'nodes:'"
MOST_LEVELS = 20
# The key under which the places of keys and of ignored values are kept.
_ASIDE = -1

Path: TypeAlias = tuple[str | int, ...]

# The characters at which PyYAML begins a new line.
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_TEXT_TAG = "tag:yaml.org,2002:str"
_BYTES_TAG = "tag:yaml.org,2002:binary"
_NO_ALIAS = "anchors and aliases (& and *) are not accepted; write the value out at each place"

# A part of what PyYAML's parser reports -> what to do about it. The first match wins.
_SYNTAX_HINTS = (
    (r"'\t' that cannot start", "a tab; YAML is indented with spaces"),
    ("character '@' that cannot", "text that begins with '@' must be in quotes"),
    ("character '`' that cannot", "text that begins with '`' must be in quotes"),
    ("character '%' that cannot", "text that begins with '%' must be in quotes"),
    (
        "mapping values are not allowed",
        "a ':' that does not belong here; put the text in quotes, or mend the indentation",
    ),
    (
        "could not find expected ':'",
        "the key has no ':'; write 'key: value', or put the text in quotes",
    ),
    ("found unexpected end of stream", "a quote that is never closed"),
    ("found unexpected document separator", "a quote that is never closed"),
    ("found undefined alias", _NO_ALIAS),
    ("but found '<block end>'", "the indentation does not fit the lines above"),
    ("expected <block end>", "this does not fit what is before it; mend the indentation"),
    ("sequence entries are not", "a list cannot begin here; put '- ' on a line of its own"),
    ("expected ',' or ']'", "a ',' or the closing ']' is missing"),
    ("expected ',' or '}'", "a ',' or the closing '}' is missing"),
    ("expected the node content", "a value is missing here"),
    ("expected '<document start>'", "this does not belong to anything above; mend the indentation"),
)


class Place(NamedTuple):
    """A place in a file, counted from 1, and the text of a value as written there.

    `plain`: the text has no quotes.
    """

    line: int
    column: int
    text: str = ""
    plain: bool = False


@dataclass
class Document:
    """The content of a file: its data, and the places of its values and keys.

    Paths in it are relative to its `directory`.
    """

    file: str
    lines: list[str]
    directory: pathlib.Path = pathlib.Path()
    data: object = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[LaunchProblem] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Return the place of a value; for a missing one, where it would belong."""
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path, Place(1, 1))

    def key_place(self, path: Path) -> Place:
        """Return the place of a key; for a missing one, where its value would belong."""
        return self.keys.get(path) or self.place(path)

    def problem(self, place: Place, message: str) -> LaunchProblem:
        """Return a problem at a place, with its source line."""
        source = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        return LaunchProblem(place.line, place.column, message, source, self.file)

    def refuse(self, place: Place, message: str) -> NoReturn:
        """Raise LaunchFileError for this problem and those found before it."""
        raise LaunchFileError(self.file, [*self.problems, self.problem(place, message)])


def read_file(
    path: pathlib.Path, file: str, needs: str = NEEDS_NODES, *, merges: bool = False
) -> Document:
    """Read the file at `path`; `file` is its name in errors, the other arguments as for `parse`.

    Raises:
        LaunchFileError: The file cannot be read, or is not YAML.
    """
    try:
        raw = bytes_of(path)
    except (OSError, ValueError) as error:
        is_not_there = isinstance(error, FileNotFoundError | IsADirectoryError)
        hint = f"; {_yaml_files_near(path)}" if is_not_there else ""
        why = error.strerror if isinstance(error, OSError) else error
        message = f"cannot be read: {why}{hint}"
        raise LaunchFileError(file, [LaunchProblem(0, 0, message)]) from error
    document = parse(decode(raw, file), file, needs, merges=merges)
    document.directory = resolved(path).parent
    return document


def _yaml_files_near(path: pathlib.Path) -> str:
    folder = path if path.is_dir() else path.parent
    found = sorted(each.name for each in folder.glob("*.y*ml"))
    if not found:
        return f"there is no YAML file in {one_line(f'{folder}')}"
    return did_you_mean(path.name, found)


def decode(raw: bytes, file: str) -> str:
    """Return a file's bytes as text.

    Raises:
        LaunchFileError: The file is too large, or not UTF-8.
    """
    if len(raw) > MOST_BYTES:
        message = f"{len(raw)} bytes are too many for a launch file; at most {MOST_BYTES}"
        raise LaunchFileError(file, [LaunchProblem(0, 0, message)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8", "replace")
        place = _place_of_index(text, len(raw[: error.start].decode("utf-8")))
        document = Document(file, _LINE_END.split(text))
        document.refuse(
            place, f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        )


def parse(text: str, file: str, needs: str = NEEDS_NODES, *, merges: bool = False) -> Document:
    """Parse the text of a launch file; `needs` says what an empty one lacks.

    With `merges`, mappings of the same key become one, in which later values win.

    Duplicate keys, aliases and tags are added to the document's `problems`, so that they can be
    shown together with those that the model finds.

    Raises:
        LaunchFileError: The text is not YAML, empty, or nested too deep.
    """
    document = Document(file, _LINE_END.split(text))
    try:
        _Reader(document, text, merges=merges).read(needs)
    except yaml.reader.ReaderError as error:
        place = _place_of_index(text, error.position)
        document.refuse(place, f"character U+{error.character:04X} is not allowed in YAML")
    except yaml.MarkedYAMLError as error:
        document.refuse(*_explain(error, document.lines))
    return document


def _without_surrogates(text: str) -> str:
    """Return a text without halves of surrogate pairs, which nothing else accepts."""
    return text.encode("utf-8", "replace").decode()


def _place_of_index(text: str, index: int) -> Place:
    lines = _LINE_END.split(text[:index])
    return Place(len(lines), len(lines[-1]) + 1)


class _Mark(Protocol):
    line: int
    column: int


def _place(mark: _Mark | None, text: str = "") -> Place:
    return Place(mark.line + 1, mark.column + 1, text) if mark else Place(1, 1, text)


def _explain(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[Place, str]:
    problem = f"{error.problem}"
    hint = next((text for part, text in _SYNTAX_HINTS if part in problem), f"not YAML: {problem}")
    mark = error.problem_mark or error.context_mark
    if error.context_mark and ("quote" in hint or "'<stream end>'" in problem):
        # An unclosed quote or bracket is shown where it was opened, which helps more than the end.
        mark = error.context_mark
    place = _place(mark)
    return _cause(problem, place, lines) or (place, hint)


def _cause(problem: str, place: Place, lines: list[str]) -> tuple[Place, str] | None:
    """Return the place and the text of a cause that PyYAML does not see."""
    above, here = ("", *lines)[place.line - 1 : place.line + 1]
    for line, text in ((place.line - 1, above), (place.line, here[: place.column])):
        # As indentation, or after an indicator: within a text it does no harm.
        if odd := re.search(r"(?:^[\t ]*|[-:])([^\S\t ])", text):
            return _place_in(line, odd), f"U+{ord(odd[1]):04X} is no space in YAML; type a space"
    word = re.fullmatch(r"\s*(?:- )?([\w.-]+)\s*", above)
    if word and "mapping values are not" in problem:
        return _place_in(place.line - 1, word), f"the ':' is missing; write '{word[1]}:'"
    line, text = (place.line, here) if "find expected ':'" in problem else (place.line - 1, above)
    glued = re.fullmatch(r"\s*(?:- )?[A-Za-z_]\w*(:)[^\s:/].*", text)
    if glued and ("find expected ':'" in problem or "mapping values are not" in problem):
        return _place_in(line, glued), "put a space after the ':'"
    rest = here[place.column - 1 :]
    if rest.startswith("//"):
        return place, "a comment begins with '#'"
    if rest[:1] in {"}", "]"}:
        return place, f"a '{rest[0]}' too many"
    return None


def _place_in(line: int, found: re.Match[str]) -> Place:
    return Place(line, found.start(found.lastindex or 0) + 1)


class _Reader:
    """Builds a document's data from PyYAML's events."""

    def __init__(self, document: Document, text: str, *, merges: bool) -> None:
        self._document = document
        self._merges = merges
        self._parser = yaml.SafeLoader(text)

    def read(self, needs: str) -> None:
        self._next()  # the start of the stream
        begin = self._next()
        if not isinstance(begin, yaml.DocumentStartEvent):
            self._document.refuse(Place(1, 1), f"the file is empty; {needs}")
        self._document.data = self._value(self._next(), (), 0)
        self._next()  # the end of the document
        more = self._next()
        if isinstance(more, yaml.DocumentStartEvent):
            place = _place(more.start_mark)
            self._document.refuse(place, "a second document; a launch file is a single one")

    def _next(self) -> yaml.Event:
        try:
            event: yaml.Event = self._parser.get_event()  # type: ignore[no-untyped-call]
        except (ValueError, OverflowError):
            # PyYAML raises these for "\UFFFFFFFF" and for numbers of thousands of digits.
            place = _place(self._parser.get_mark())
            self._document.refuse(place, "not YAML: an escape or a number that is out of range")
        return event

    def _add_problem(self, place: Place, message: str) -> None:
        self._document.problems.append(self._document.problem(place, message))

    def _value(self, event: yaml.Event, path: Path, level: int, earlier: object = None) -> object:
        place = _place(event.start_mark)
        if level > MOST_LEVELS:
            self._document.refuse(place, f"nested deeper than {MOST_LEVELS} levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._add_problem(place, _NO_ALIAS)
        is_known = isinstance(event, yaml.ScalarEvent) and event.tag in {_TEXT_TAG, _BYTES_TAG}
        if getattr(event, "tag", None) is not None and not is_known:
            self._add_problem(place, "tags (!...) are not accepted; write the plain value")
        self._document.values[path] = place
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, level, earlier)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, level)
        if isinstance(event, yaml.ScalarEvent):
            place = place._replace(text=event.value, plain=event.implicit[0])
            self._document.values[path] = place
            return self._scalar(event, place)
        return None  # an alias, which is a problem already

    def _sequence(self, path: Path, level: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items)), level + 1))
        return items

    def _mapping(self, path: Path, level: int, earlier: object = None) -> dict[str, object]:
        """Return a mapping, merged into an `earlier` one of the same key."""
        items: dict[str, object] = earlier if isinstance(earlier, dict) else {}
        here: dict[str, Place] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path, level)
            place = _place(event.start_mark, key)
            value = self._next()
            both = isinstance(items.get(key), dict) and isinstance(value, yaml.MappingStartEvent)
            if key in here and not (self._merges and both):
                first = here[key].line
                self._add_problem(place, f"key {shorten(key)} given twice, first in line {first}")
                self._value(value, (*path, _ASIDE), level + 1)
                continue
            here[key] = self._document.keys[*path, key] = place
            items[key] = self._value(value, (*path, key), level + 1, items.get(key))
        return items

    def _key(self, event: yaml.Event, path: Path, level: int) -> str:
        """Return a key as written: `on`, `010` and `12:30` are names like any other."""
        self._value(event, (*path, _ASIDE), level + 1)
        if not isinstance(event, yaml.ScalarEvent):
            place = _place(event.start_mark)
            self._document.refuse(place, "a key must be a word, not a list, mapping or alias")
        return _without_surrogates(event.value)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> object:
        text = _without_surrogates(event.value)
        if text != event.value:
            self._add_problem(place, "half of a surrogate pair is not a character; write it as one")
        if event.tag == _BYTES_TAG:
            return self._bytes(text, place)
        if not event.implicit[0]:
            return text
        if is_number(text) and len(text) > MOST_DIGITS:
            self._add_problem(place, f"a number of {len(text)} digits; at most {MOST_DIGITS}")
            return 0
        return plain_value(text)

    def _bytes(self, text: str, place: Place) -> list[int]:
        """Return bytes as a list of integers, as in JSON."""
        try:
            return list(base64.b64decode("".join(text.split()), validate=True))
        except ValueError:
            self._add_problem(place, "!!binary is followed by base64")
            return []
