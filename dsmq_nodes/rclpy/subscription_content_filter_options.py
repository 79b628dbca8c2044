"""What a content filter is made of."""

from typing import NamedTuple


class ContentFilterOptions(NamedTuple):
    """An SQL-like expression, and the values for its `%0`, `%1`, ..."""

    filter_expression: str
    expression_parameters: list[str]
