"""Published formulas as text: `1.97*exp(-39.4*x) + 0.2482 - 0.0909*tanh(29.85*(x - 0.1234))`."""

import ast
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LONGEST: Final = 20_000
"""Characters; a longer text is no formula."""
_FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "exp": np.exp, "log": np.log, "ln": np.log, "log10": np.log10, "sqrt": np.sqrt, "abs": np.abs,
    "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh, "sech": lambda x: 1.0 / np.cosh(x),
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "atan": np.arctan, "arctan": np.arctan,
}  # fmt: skip
_OPERATIONS: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def compile_expression(text: str, variable: str = "x") -> Callable[[Any], Any]:
    """Return a formula as a function of its one variable; nothing but arithmetic can stand in it.

    Args:
        text: numbers, the variable, `pi`, + - * / ** ( ), and exp log ln log10 sqrt abs tanh sinh cosh sech sin cos tan atan.
        variable: its name.

    Raises:
        ValueError: it is no such formula; the message says which part.

    >>> float(compile_expression("2*x**2 - exp(0)")(3.0))
    17.0
    """
    if len(text) > LONGEST:
        raise ValueError(f"wanted a formula of at most {LONGEST} characters, found {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"wanted a formula in {variable}, found {text[:60]!r}: {error}") from None
    try:
        return _compiled(tree, variable)
    except RecursionError:
        raise ValueError("wanted a formula that is not nested so deeply, found one that is") from None


def _compiled(node: ast.AST, variable: str) -> Callable[[Any], Any]:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as value):
            number = float(value)
            return lambda _: number
        case ast.Name(id=name) if name == variable:
            return lambda x: x
        case ast.Name(id="pi"):
            return lambda _: np.pi
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            one = _compiled(inner, variable)
            return lambda x: -one(x)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _compiled(inner, variable)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATIONS:
            operation = _OPERATIONS[type(operator)]
            first, second = _compiled(left, variable), _compiled(right, variable)
            return lambda x: operation(first(x), second(x))
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _FUNCTIONS:
            function, argument = _FUNCTIONS[name], _compiled(inner, variable)
            return lambda x: function(argument(x))
        case _:
            pass
    words = ast.unparse(node)[:60]
    raise ValueError(f"wanted arithmetic in {variable} with {', '.join(_FUNCTIONS)}, found {words!r}")


def evaluated(function: Callable[[Any], Any], at: Array) -> Array:
    """Return a formula's values, shape of `at`; those that are no numbers stay so, without a warning."""
    with np.errstate(all="ignore"):
        return np.asarray(function(at) + np.zeros(np.shape(at)), dtype=np.float64)
