"""A call is parsed as the guide writes it; nothing is evaluated, and whatever is no call is a ValueError in words."""

import gc
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.calls import MAX_REPEAT, METHODS, SocketCall, parse_call, wrap

INET, STREAM = {"constant": "AF_INET"}, {"constant": "SOCK_STREAM"}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("s = socket()", SocketCall(("s",), "", "socket", ())),
        ("  s = socket.socket(socket.AF_INET, SOCK_STREAM)  ", SocketCall(("s",), "", "socket", (INET, STREAM))),
        ("s.bind(('', 65432))", SocketCall((), "s", "bind", ({"tuple": ["", 65432]},))),
        ("conn, peer = s.accept()", SocketCall(("conn", "peer"), "s", "accept", ())),
        ("(conn, peer) = s.accept()", SocketCall(("conn", "peer"), "s", "accept", ())),
        ("pair = s.accept()", SocketCall(("pair",), "s", "accept", ())),
        ("s.listen(-1)", SocketCall((), "s", "listen", (-1,))),
        ("s.settimeout(None)", SocketCall((), "s", "settimeout", (None,))),
        ("s.settimeout(0.5)", SocketCall((), "s", "settimeout", (0.5,))),
        ("s.setblocking(False)", SocketCall((), "s", "setblocking", (False,))),
        ("s.send(b'a\\x00')", SocketCall((), "s", "send", ({"bytes": "YQA="},))),
        ("s.sendall(b'ab' * 3)", SocketCall((), "s", "sendall", ({"repeat": [{"bytes": "YWI="}, 3]},))),
        ("s.connect_ex(('::1', 1, 0, 0))", SocketCall((), "s", "connect_ex", ({"tuple": ["::1", 1, 0, 0]},))),
        (
            "s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)",
            SocketCall((), "s", "setsockopt", ({"constant": "SOL_SOCKET"}, {"constant": "SO_REUSEADDR"}, 1)),
        ),
        ("s.listen(SOMAXCONN)", SocketCall((), "s", "listen", ({"constant": "SOMAXCONN"},))),
        ("s.send([1, ('a', AF_INET)])", SocketCall((), "s", "send", ([1, {"tuple": ["a", INET]}],))),
        (f"s.send(b'x' * {MAX_REPEAT})", SocketCall((), "s", "send", ({"repeat": [{"bytes": "eA=="}, MAX_REPEAT]},))),
    ],
)  # fmt: skip
def test_calls(text: str, call: SocketCall) -> None:
    assert parse_call(text) == call
    json.dumps(call.arguments, allow_nan=False)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_understood(method: str) -> None:
    assert parse_call(f"x.{method}()").method == method


REFUSED = f"""\
# nothing
s
s.listen
1
's.listen(1)'
s.listen(1) + 1
not s.close()
import os
del s
s.close(); s.close()
s = t = socket()
s += socket()
x: int = socket()
a, b, c = s.accept()
() = s.accept()
a.b = socket()
a[0] = socket()
*a, b = s.accept()
a, b = socket()
a, b = s.recv(1)
open('x')
eval('1')
os.system('id')
s.accept()[0].close()
s.__class__()
socket.socket().bind(1)
a.b.close()
s.recv.__self__.close()
__import__('os').system('id')
s.makefile()
s.detach()
s._accept()
s.listen(backlog=1)
s.bind(**{{}})
socket(family=AF_INET)
s.send(x)
s.send(f'{{1}}')
s.send(lambda: 1)
s.send({{1: 2}})
s.send({{1}})
s.send(...)
s.send(1j)
s.send(*a)
s.send([x for x in b''])
s.send(a if b else c)
s.send(t.recv(1))
s.send(1e999)
s.send('a' + 'b')
s.send(2 ** 99)
s.send(os.AF_INET)
s.send(a.socket.AF_INET)
s.send(socket.timeout)
s.send(b'x' * {MAX_REPEAT + 1})
s.send(b'xx' * 99999999)
s.send('x' * 3)
s.send(b'x' * -1)
s.send(b'x' * 1.5)
s.send(3 * b'x')
s.send(b'x' * 3 * 3)
s.send(b'x' * True)
s.send([b'x'] * 9)
s.bind(('', 1)
s.bind('
s . . close()
s.send(b'é')
""".splitlines()
HOSTILE = ["", "  ", "\0", "s.close(\ud800)", "s.close()\n  t.close()", "s.send(" + "(" * 300 + ")" * 300 + ")"]
HOSTILE += ["s.send(" + "-" * 9000 + "1)", "s.send(b'" + "x" * 20000 + "')", "s.send(" + "[" * 150 + "]" * 150 + ".a)"]
HOSTILE += ["s.send(" + ".a" * 4000 + ")", "s" + ".a" * 4000 + "()", "s" + "()" * 4000]


@pytest.mark.parametrize("text", [*REFUSED, *HOSTILE], ids=lambda text: text[:40])
def test_whatever_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_call(text)
    assert type(caught.value) is ValueError
    assert str(caught.value).startswith(("expected ", "no call is named "))
    assert len(str(caught.value)) < 400


def test_threads_may_parse_side_by_side() -> None:
    """The collector of garbage lets other threads in while a tree is made."""
    texts = [f"s.connect((('{number}', ({number}, [1, (2, 3)])), AF_INET))" for number in range(8)]
    expected = [parse_call(text) for text in texts]
    threshold = gc.get_threshold()
    gc.callbacks.append(pause := lambda *_: time.sleep(0.0001))
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(parse_call, texts))
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(pause)
    assert found == expected


def test_a_misspelt_method_is_guessed() -> None:
    with pytest.raises(ValueError, match=r"no call is named 'lisen'; did you mean 'listen'\?"):
        parse_call("s.lisen(1)")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), {1: 2}, {1}, object(), ...])
def test_what_json_cannot_carry_is_not_wrapped(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        wrap((1, [value]))


PIECES = st.sampled_from(
    "s = socket ( ) , . bind accept '' b'x' * 9 [ ] { : } lambda x f'{s}' -1 ** \n ; AF_INET _ await".split(" ")
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=50), st.lists(PIECES, max_size=14).map("".join), st.lists(PIECES, max_size=14).map(" ".join)
    )
)
@example("s.send('\\d')")
@example("s.send(0x1for x)")
def test_any_text_is_a_call_or_a_value_error(text: str) -> None:
    try:
        call = parse_call(text)
    except ValueError:
        return
    assert call.method in METHODS | {"socket"}
    json.dumps(call.arguments, allow_nan=False)
