"""The expression and the parameters of a content filter."""

from typing import NamedTuple


class ContentFilterOptions(NamedTuple):
    """An SQL-like expression, and the values for its `%0`, `%1`, ..."""

    filter_expression: str
    expression_parameters: list[str]
