"""YAML 1.2: how plain texts are read, and how values are written so that they read back the same.

One set of rules (https://yaml.org/spec/1.2.2/#103-core-schema) for launch files, files of
parameters, values on the command line, and everything that the kit writes. PyYAML follows YAML 1.1.
So texts that YAML 1.1 would read as something else are quoted too, and both versions read the same.
"""

import re
from typing import Final

import yaml
from typing_extensions import override

from dsmq_nodes.printable import is_printable, visible

MOST_DIGITS: Final = 400
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WIDEST: Final = 2**31 - 1
# libyaml escapes characters beyond 16 bits, emoji too; these characters stand in for them.
_STAND_INS: Final = range(0xE000, 0xF900)
_needs_stand_in: Final = re.compile("[\ue000-\uf8ff\U00010000-\U0010ffff]")
_find_half: Final = re.compile("[\ud800-\udfff]")


def plain_value(text: str) -> bool | float | str | None:
    """Return the value of a text without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if not is_number(text) or len(text) > MOST_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def is_number(text: str) -> bool:
    """Whether a text without quotes is a number."""
    return bool(_INT.fullmatch(text) or _FLOAT.fullmatch(text))


def to_yaml(value: object, *, flow: bool = False, sort_keys: bool = False) -> str:
    """Return a value as YAML: lists, mappings, texts, numbers, bytes, booleans and None."""
    stand_ins: dict[str, str] = {}

    class Dumper(_Dumper):
        seen = stand_ins

    text: str = yaml.dump(
        value,
        Dumper=Dumper,
        allow_unicode=True,
        default_flow_style=flow,
        sort_keys=sort_keys,
        width=_WIDEST,
    )
    for meant, stand_in in stand_ins.items():
        text = text.replace(stand_in, meant)
    return visible(text)  # a text with escapes is in double quotes


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """PyYAML's dumper; it also quotes texts that are numbers in YAML 1.2, and writes no aliases.

    Attributes:
        seen: the characters that have a stand-in.
    """

    seen: dict[str, str]

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True

    def text(self, value: str) -> yaml.ScalarNode:
        """Write a text; in double quotes with escapes unless it is one printable line."""
        value = _find_half.sub(lambda found: visible(found[0]), value)
        style = None if is_printable(value) else '"'
        shown = _needs_stand_in.sub(self._stand_in, value)
        node: yaml.ScalarNode = self.represent_scalar("tag:yaml.org,2002:str", shown, style=style)
        return node

    def _stand_in(self, match: re.Match[str]) -> str:
        if match[0] not in self.seen and len(self.seen) < len(_STAND_INS):
            self.seen[match[0]] = chr(_STAND_INS[len(self.seen)])
        return self.seen.get(match[0], "\ufffd")


_Dumper.add_representer(str, _Dumper.text)
for _kind, _rule in (("float", _FLOAT), ("int", _INT)):
    _whole = re.compile(rf"(?:{_rule.pattern})\Z")
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _whole, list("-+.0123456789"))
