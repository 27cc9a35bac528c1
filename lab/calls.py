"""One call of the socket API as the guide writes it, parsed and never evaluated.

    conn, peer = s.accept()        targets ("conn", "peer"), receiver "s", method "accept"

Arguments are Python literals, tuples and lists of them, constants of the socket module by name, and `b'x' * N`.
Whether the names were assigned before is for `scenario` to say; the agent makes the call.
"""

import ast
import base64
import math
import re
import threading
from typing import Any

from msgspec import Struct

from lab.errors import did_you_mean

FUNCTIONS = frozenset({"socket"})
METHODS = frozenset(
    "accept bind close connect connect_ex getpeername getsockname getsockopt listen recv recvfrom send sendall sendto "
    "setblocking setsockopt settimeout shutdown".split()
)
CONSTANT = re.compile(r"(AF|SOCK|SOL|SO|IPPROTO|TCP|IP|IPV6|SHUT|MSG|INADDR)_[A-Z0-9_]+|SOMAXCONN")
PAIRS = frozenset({"accept", "recvfrom", "getpeername", "getsockname"})
MAX_REPEAT = 100_000_000
MAX_TEXT = 10_000
EXAMPLE = 'one Python call, as in "s = socket()" or "s.listen(1)"'


class SocketCall(Struct, frozen=True):
    """`targets = receiver.method(*arguments)`; `receiver` is empty for `socket(...)`. Arguments are as JSON carries
    them to the agent: bytes, tuples and constants wrapped (`{"constant": "AF_INET"}`, `{"repeat": [b"x", 9]}`)."""

    targets: tuple[str, ...]
    receiver: str
    method: str
    arguments: tuple[Any, ...]


_one_at_a_time = threading.Lock()


def tree_of(source: str) -> ast.Module:
    """Python text as a tree. Python 3.11 counts the depth of a tree in one place for all threads, and raises
    SystemError where two parse at once; so all of the lab's cases, side by side, parse here."""
    with _one_at_a_time:
        return ast.parse(source)


def literal_of(text: str) -> Any:
    """The value of a Python literal; ValueError or SyntaxError where it is none."""
    with _one_at_a_time:
        return ast.literal_eval(text)


def parse_call(text: str) -> SocketCall:
    """The call that the text makes; ValueError says what is wrong and what is understood."""
    try:
        return _call(_statement(text))
    except (MemoryError, RecursionError) as error:
        raise ValueError(f"expected {EXAMPLE}, observed one that is nested too deep") from error


def _statement(text: str) -> ast.stmt:
    if len(text) > MAX_TEXT:
        raise ValueError(f"expected a call of at most {MAX_TEXT} characters, observed {len(text)}; b'x' * N repeats")
    try:
        body = tree_of(text.strip()).body
    except (SyntaxError, ValueError) as error:
        said = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"expected {EXAMPLE}, observed {_short(text)} ({said})") from error
    if len(body) != 1:
        raise ValueError(f"expected one call, observed {len(body) or 'none'}; give each a step of its own")
    return body[0]


def _call(statement: ast.stmt) -> SocketCall:
    targets: tuple[str, ...] = ()
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        targets = _targets(statement.targets[0])
    elif not isinstance(statement, ast.Expr):
        raise ValueError(f"expected {EXAMPLE}, observed {_written(statement)}")
    call = statement.value
    if not isinstance(call, ast.Call):
        raise ValueError(f"expected {EXAMPLE}, observed {_written(call)}")
    receiver, method = _function(call.func)
    if call.keywords:
        raise ValueError(f"expected arguments without keywords, observed {_written(call.keywords[0])}")
    if len(targets) > 1 and method not in PAIRS:
        raise ValueError(f"expected one name before '=': {method} returns one value, observed {', '.join(targets)}")
    return SocketCall(targets, receiver, method, tuple(map(_argument, call.args)))


def _targets(node: ast.expr) -> tuple[str, ...]:
    names = node.elts if isinstance(node, ast.Tuple) else [node]
    if not 1 <= len(names) <= 2 or not all(isinstance(name, ast.Name) for name in names):
        raise ValueError(f"expected one or two names before '=', observed {_written(node)}")
    return tuple(name.id for name in names if isinstance(name, ast.Name))


def _function(node: ast.expr) -> tuple[str, str]:
    if isinstance(node, ast.Name) and node.id in FUNCTIONS:
        return "", node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "socket" and node.attr in FUNCTIONS:
            return "", node.attr
        if node.attr not in METHODS:
            raise ValueError(f"no call is named {node.attr!r}" + did_you_mean(node.attr, METHODS))
        return node.value.id, node.attr
    raise ValueError(f"expected socket(...) or NAME.METHOD(...), observed {_written(node)}")


def _argument(node: ast.expr) -> Any:
    if (constant := _constant(node)) is not None:
        if not CONSTANT.fullmatch(constant):
            raise ValueError(f"expected a literal or a constant of the socket module, observed {_written(node)}")
        return {"constant": constant}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _repeat(node)
    if isinstance(node, ast.Tuple | ast.List):
        items = [_argument(item) for item in node.elts]
        return {"tuple": items} if isinstance(node, ast.Tuple) else items
    try:
        return wrap(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError) as error:
        raise ValueError(f"expected a literal, observed {_written(node)}") from error


def _constant(node: ast.expr) -> str | None:
    """`AF_INET` or `socket.AF_INET`, whatever the name is."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "socket":
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _repeat(node: ast.BinOp) -> Any:
    left, right = node.left, node.right
    if not (isinstance(left, ast.Constant) and isinstance(left.value, bytes) and isinstance(right, ast.Constant)):
        raise ValueError(f"expected b'x' * N, observed {_written(node)}")
    times = right.value
    if type(times) is not int or not 0 <= times * max(1, len(left.value)) <= MAX_REPEAT:
        raise ValueError(f"expected b'x' * N of at most {MAX_REPEAT} bytes, observed {_written(node)}")
    return {"repeat": [wrap(left.value), times]}


def wrap(value: Any) -> Any:
    """A literal as JSON carries it."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, tuple):
        return {"tuple": [wrap(item) for item in value]}
    if isinstance(value, list):
        return [wrap(item) for item in value]
    if value is None or isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"expected a number, text, bytes, tuple or list, observed {value!r}")


def _written(node: ast.AST) -> str:
    return _short(ast.unparse(node))


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
