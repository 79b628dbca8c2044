"""The substitution that computes an expression in Python's syntax, without running it as Python."""

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.rclpy.launching.substituting import (
    LONGEST,
    Substitution,
    SubstitutionError,
    text_of,
)
from dsmq_nodes.rclpy.launching.visiting import Visit


class PythonExpression(Substitution):
    """An expression of texts, numbers and truth values, with the operators of Python.

    It is computed here, and not run as Python. It may use the constants and functions of `math`,
    some functions of Python, methods of texts, and the names `true` and `false`.
    """

    expression: Any
    python_modules: Any = None

    def perform(self, context: Visit) -> str:
        """Return the value as text."""
        text = text_of(self.expression, context).strip()
        try:
            return str(_computed(ast.parse(text, mode="eval").body))
        except (SyntaxError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise SubstitutionError(f"cannot compute {text!r}: {error}") from None


def _times(left: Any, right: Any) -> Any:
    """Return the product; a text or a list may only become short."""
    for count, repeated in ((left, right), (right, left)):
        if hasattr(repeated, "__len__") and len(repeated) * count > LONGEST:
            raise ValueError(f"{count} times is too long")
    return left * right


def _modulo(left: Any, right: Any) -> Any:
    """Return the remainder, or a text with its values filled in; no field may be wide."""
    if isinstance(left, str) and re.search(r"\*|\d{4}", left):
        raise ValueError(f"{left!r} has a place without a limit")
    return left % right


_OPERATORS: Final[dict[type, Callable[..., Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _modulo,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
}
_NAMES: Final = {"true": True, "false": False}
# Functions that take long, or return much, for small arguments are not allowed.
_MATH: Final = {
    name: value
    for name, value in vars(math).items()
    if not name.startswith("_") and name not in {"comb", "factorial", "perm"}
}
_BUILTINS: Final = (abs, all, any, bool, float, int, len, max, min, round, sorted, str, sum)
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{name: value for name, value in _MATH.items() if callable(value)},
    **{each.__name__: each for each in _BUILTINS},
}
_METHODS: Final = {"endswith", "lower", "lstrip", "rstrip", "split", "startswith", "strip", "upper"}


def _computed(node: ast.expr) -> Any:
    compute = _COMPUTED.get(type(node))
    if compute is None:
        raise ValueError(f"it has a {type(node).__name__}, which is not computed here")
    return compute(node)


def _refuse(node: ast.expr) -> Any:
    raise ValueError(f"it has {ast.unparse(node)}, which is not computed here")


def _is_math(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "math"


def _of_math(name: str) -> float:
    """Return a constant of Python's `math`, which is written without `math.`."""
    found = _MATH.get(name)
    if not isinstance(found, float):
        raise ValueError(f"{name!r} is not known here")  # noqa: TRY004  of the expression
    return found


def _called(node: ast.Call) -> Any:
    """Return the result of a call of an allowed function, or of a text's method."""
    arguments, function = [_computed(each) for each in node.args], node.func
    if isinstance(function, ast.Attribute) and not _is_math(function.value):
        owner = _computed(function.value)
        if function.attr == "replace" and isinstance(owner, str):
            return _replaced(owner, *arguments)
        if function.attr in _METHODS and isinstance(owner, str):
            return getattr(owner, function.attr)(*arguments)
    elif isinstance(function, ast.Attribute) and callable(_MATH.get(function.attr)):
        return _MATH[function.attr](*arguments)
    elif isinstance(function, ast.Name) and function.id in _FUNCTIONS:
        return _FUNCTIONS[function.id](*arguments)
    return _refuse(function)


def _and_or(node: ast.BoolOp) -> Any:
    """Return the value that decides: `'' or 'a'` is 'a'."""
    *first, last = node.values
    for each in first:
        if bool(found := _computed(each)) is isinstance(node.op, ast.Or):
            return found
    return _computed(last)


def _replaced(text: str, old: str, new: str, *count: int) -> str:
    """Return a text with parts replaced; it may only become short."""
    if (len(text) + 1) * len(new) > LONGEST:
        raise ValueError(f"{new[:20]!r} is too long")
    return text.replace(old, new, *count)


def _compared(node: ast.Compare) -> Any:
    left = _computed(node.left)
    for op, right in zip(node.ops, map(_computed, node.comparators), strict=True):
        if not _OPERATORS[type(op)](left, right):
            return False
        left = right
    return True


_COMPUTED: Final[dict[type, Callable[[Any], Any]]] = {
    ast.Constant: lambda node: node.value,
    ast.Name: lambda node: _NAMES[node.id] if node.id in _NAMES else _of_math(node.id),
    ast.Attribute: lambda node: _of_math(node.attr) if _is_math(node.value) else _refuse(node),
    ast.Call: _called,
    ast.Subscript: lambda node: _computed(node.value)[_computed(node.slice)],
    ast.Slice: lambda node: slice(
        *(None if each is None else _computed(each) for each in (node.lower, node.upper, node.step))
    ),
    ast.Dict: lambda node: {
        _computed(key): _computed(value)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None or _refuse(value)
    },
    ast.List: lambda node: [_computed(each) for each in node.elts],
    ast.Tuple: lambda node: tuple(_computed(each) for each in node.elts),
    ast.BoolOp: _and_or,
    ast.UnaryOp: lambda node: _OPERATORS[type(node.op)](_computed(node.operand)),
    ast.BinOp: lambda node: _OPERATORS[type(node.op)](_computed(node.left), _computed(node.right)),
    ast.IfExp: lambda node: _computed(node.body if _computed(node.test) else node.orelse),
    ast.Compare: _compared,
}
