"""How much a launch file may come to, so that a small one cannot unfold into a large one.

Arguments made of arguments, copies of copies and files included again and again multiply. What they
come to is counted while it is made, and ends at the place where it is too much.
"""

from typing import Final

MOST_TEXT: Final = 100_000
"""Characters of one text after its substitutions: an environment variable holds no more."""
_MOST_TEXT_IN_ALL: Final = 8_000_000
_MOST_VALUES: Final = 400_000
OF_COPY: Final = 40
"""What an entry and each copy of it costs, in values, even when it is empty."""


class UnfoldsError(Exception):
    """What a launch file comes to is too much; the text says of what."""


class Extent:
    """What of it a launch file and all that it includes have left."""

    def __init__(self) -> None:
        self._text_left = _MOST_TEXT_IN_ALL
        self._values_left = _MOST_VALUES
        self._is_told = False

    @property
    def is_spent(self) -> bool:
        """Whether the limit is reached: further copies and included files are skipped."""
        return self._is_told

    def spend(self) -> None:
        """It came to too much, which is told."""
        self._is_told = True
        self._text_left = self._values_left = 0

    def take_text(self, length: int) -> None:
        """Note the text that a substitution gives.

        Raises:
            UnfoldsError: It is too much; without a text when that is told already.
        """
        self._text_left -= length
        if self._text_left < 0:
            self._refuse(f"substitutions come to more than {_MOST_TEXT_IN_ALL} characters in all")

    def take_values(self, count: int) -> None:
        """Note values of entries and their copies.

        Raises:
            UnfoldsError: They are too many.
        """
        self._values_left -= count
        if self._values_left < 0 and not self._is_told:
            self._refuse(
                f"copies, includes and what they share come to more than {_MOST_VALUES} values"
            )

    def _refuse(self, why: str) -> None:
        message = "" if self._is_told else f"{why}: a small file unfolds into a large one"
        self.spend()
        raise UnfoldsError(message)
