"""Limits the size of an unfolded launch file, so that a small one cannot become a large one.

Arguments made of arguments, copies of copies and repeated includes multiply. The size is counted
while the file is unfolded, and the error names the place at which the limit is reached.
"""

from typing import Final

MOST_TEXT: Final = 100_000
"""Characters of one text after its substitutions: an environment variable holds no more."""
_MOST_TEXT_IN_ALL: Final = 8_000_000
_MOST_VALUES: Final = 400_000
OF_COPY: Final = 40
"""The cost of an entry and of each copy of it, in values, even when it is empty."""


class UnfoldsError(Exception):
    """A launch file unfolds into too many values, or too much text; the text says which."""


class Extent:
    """The size that a launch file and its includes may still use.

    Attributes:
        is_spent: whether the limit is reached and reported: further copies and files are skipped.
    """

    def __init__(self) -> None:
        self._text_left = _MOST_TEXT_IN_ALL
        self._values_left = _MOST_VALUES
        self.is_spent = False

    def spend(self) -> None:
        """Note that the limit is reached and reported."""
        self.is_spent = True
        self._text_left = self._values_left = 0

    def take_text(self, length: int) -> None:
        """Count the text of a substitution.

        Raises:
            UnfoldsError: It is too much; the error has no text if that was reported already.
        """
        self._text_left -= length
        if self._text_left < 0:
            self._refuse(f"substitutions come to more than {_MOST_TEXT_IN_ALL} characters in all")

    def take_values(self, count: int) -> None:
        """Count values of entries and their copies.

        Raises:
            UnfoldsError: They are too many.
        """
        self._values_left -= count
        if self._values_left < 0 and not self.is_spent:
            self._refuse(
                f"copies, includes and what they share come to more than {_MOST_VALUES} values"
            )

    def _refuse(self, why: str) -> None:
        message = "" if self.is_spent else f"{why}: a small file unfolds into a large one"
        self.spend()
        raise UnfoldsError(message)
