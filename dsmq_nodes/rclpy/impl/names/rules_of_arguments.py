"""The rules of `-r` and `-p` as rcl reads them, lexeme by lexeme. No I/O here.

    remap      [TOKEN COLON] (NODE SEPARATOR TOKEN | NS SEPARATOR namespace | name SEPARATOR name)
    name       [TILDE_SLASH | FORWARD_SLASH] TOKEN (FORWARD_SLASH TOKEN)*
    namespace  FORWARD_SLASH (TOKEN FORWARD_SLASH)* [TOKEN]
    parameter  [TOKEN COLON] words (DOT words)* SEPARATOR yaml
    words      (TOKEN | FORWARD_SLASH)+

Only the old name of a remap may have a URL before it. rcl's errors show lexemes by number.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final


class Lexeme(IntEnum):
    """The kinds, by rcl's numbers."""

    NONE = 0
    EOF = 1
    TILDE_SLASH = 2
    URL_SERVICE = 3
    URL_TOPIC = 4
    COLON = 5
    NODE = 6
    NS = 7
    SEPARATOR = 8
    BACK_REFERENCE = 9
    TOKEN = 18
    FORWARD_SLASH = 19
    WILD_ONE = 20
    WILD_MULTI = 21
    DOT = 22


_PATTERN: Final = re.compile(
    r"(?P<TILDE_SLASH>~/)|(?P<URL_SERVICE>rosservice://)|(?P<URL_TOPIC>rostopic://)"
    r"|(?P<SEPARATOR>:=)|(?P<COLON>:)|(?P<NODE>__node|__name)|(?P<NS>__ns)"
    r"|(?P<BACK_REFERENCE>\\[1-9])|(?P<TOKEN>(?!__)[A-Za-z_](?:_?[A-Za-z0-9])*_?)"
    r"|(?P<FORWARD_SLASH>/)|(?P<WILD_MULTI>\*\*)|(?P<WILD_ONE>\*)|(?P<DOT>\.)"
)


class RuleError(ValueError):
    """A rule that rcl does not read; the text says why.

    Attributes:
        warning: what rcl logs besides.
    """

    def __init__(self, text: str, warning: str = "") -> None:
        super().__init__(text)
        self.warning = warning


class RuleReader:
    """Reads one rule, from its beginning or from `at` on; each part raises RuleError."""

    def __init__(self, text: str, at: int = 0) -> None:
        self._text = text
        self._at = at

    def node(self) -> str | None:
        """Return the node that the rule is for; None: all."""
        if self._skip(Lexeme.TOKEN):
            name = self._text[: self._at]
            if self._skip(Lexeme.COLON):
                return name
        self._at = 0
        return None

    def is_next(self, *kinds: Lexeme) -> bool:
        """Whether the next lexeme is one of some kinds."""
        return self._next_lexeme()[0] in kinds

    def expect(self, kind: Lexeme) -> str:
        """Return the next lexeme, which has to be of a kind."""
        found, end = self._next_lexeme()
        if found is kind:
            text, self._at = self._text[self._at : end], end
            return text
        if found in {Lexeme.NONE, Lexeme.EOF}:
            raise RuleError(
                f"Expected lexeme type ({kind}) not found, search ended at index {self._at}"
            )
        raise RuleError(f"Expected lexeme type {kind}, got {found} at index {self._at}")

    def rest(self) -> str:
        """Return the rest of the text."""
        return self._text[self._at :]

    def url(self) -> str:
        """Return the kind of name, topic or service, that a URL scheme before it gives."""
        if self._skip(Lexeme.URL_TOPIC):
            return "topic"
        return "service" if self._skip(Lexeme.URL_SERVICE) else "both"

    def old_name(self) -> str:
        """Return the name that a remap replaces; its separator is read, too."""
        begin = self._at
        self._parts(self._expect_token, Lexeme.SEPARATOR)
        return self._since(begin)

    def new_name(self) -> str:
        """Return the name that a remap gives: to the end."""
        begin = self._at
        self._parts(self._expect_replacement, Lexeme.EOF)
        return self._text[begin:]

    def new_node(self) -> str:
        """Return the name that a remap gives a node: to the end."""
        rest = self.rest()
        try:
            name = self.expect(Lexeme.TOKEN)
        except RuleError as error:
            raise RuleError(
                str(error), f"Node name not remapped to invalid name: '{rest}'"
            ) from None
        self.expect(Lexeme.EOF)
        return name

    def new_namespace(self) -> str:
        """Return the namespace that a remap gives: to the end."""
        rest = self.rest()
        try:
            self.expect(Lexeme.FORWARD_SLASH)
            while self._skip(Lexeme.TOKEN) and self._skip(Lexeme.FORWARD_SLASH):
                pass
            self.expect(Lexeme.EOF)
        except RuleError as error:
            text = f"Namespace not remapped to a fully qualified name (found: {rest})"
            raise RuleError(str(error), text) from None
        return rest

    def parameter(self) -> str:
        """Return the name of a parameter; its separator is read, too."""
        begin = self._at
        self._expect_words()
        while not self.is_next(Lexeme.SEPARATOR):
            self.expect(Lexeme.DOT)
            self._expect_words()
        return self._since(begin)

    def _next_lexeme(self) -> tuple[Lexeme, int]:
        if self._at == len(self._text):
            return Lexeme.EOF, self._at
        match = _PATTERN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            return Lexeme.NONE, self._at
        return Lexeme[match.lastgroup], match.end()

    def _skip(self, *kinds: Lexeme) -> bool:
        found, end = self._next_lexeme()
        if found in kinds:
            self._at = end
        return found in kinds

    def _since(self, begin: int) -> str:
        text = self._text[begin : self._at]
        self.expect(Lexeme.SEPARATOR)
        return text

    def _parts(self, expect_part: Callable[[], None], end: Lexeme) -> None:
        self._skip(Lexeme.TILDE_SLASH, Lexeme.FORWARD_SLASH)
        expect_part()
        while not self.is_next(end):
            self.expect(Lexeme.FORWARD_SLASH)
            expect_part()

    def _expect_words(self) -> None:
        if not self.is_next(Lexeme.FORWARD_SLASH):
            self._expect_token()
        while self._skip(Lexeme.TOKEN, Lexeme.FORWARD_SLASH):
            pass

    def _expect_token(self) -> None:
        for kind, text in ((Lexeme.WILD_ONE, "*"), (Lexeme.WILD_MULTI, "**")):
            if self.is_next(kind):
                raise RuleError(f"Wildcard '{text}' is not implemented")
        if not self._skip(Lexeme.TOKEN):
            raise RuleError("Expecting token or wildcard")

    def _expect_replacement(self) -> None:
        if self.is_next(Lexeme.BACK_REFERENCE):
            raise RuleError("Backreferences are not implemented")
        if not self._skip(Lexeme.TOKEN):
            raise RuleError("error not set")
