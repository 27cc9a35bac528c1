"""A call in the words of the API, short enough for a lane: `connect(10.1.2.3:80)`, `= ECONNREFUSED`.

System calls are spoken as the guide's readers know them: `recv` for recvfrom, `accept` for accept4. Pure.
"""

from lab.history import Call, Value
from lab.patterns import OF_NO_SOCKET, api_name
from lab.tries import error_of

SHOWN_BYTES, SHOWN_WORDS = 24, 60


def spoken(call: Call) -> str:
    """The call by the API's name, as in a step; of a traced program, `recv` for recvfrom, `accept` for accept4."""
    return api_name(call.function) if call.program else call.function


def asked(call: Call) -> str:
    """The call as it was made: `c.connect(10.1.2.3:80)`, `send(b'Hello', 5 bytes)`, `recv(1024)`. A traced program's
    sockets have no names."""
    if call.function == "socket":
        made = repr(call.arguments)
        kind = "ICMP" if "IPPROTO_ICMP" in made else "UDP" if "SOCK_DGRAM" in made else "TCP"
        return f"socket({kind}{', IPv6' * ('AF_INET6' in made)})"
    whose = "" if call.program else f"{call.caller}."
    return f"{whose}{spoken(call)}({_given(call)})"


def _given(call: Call) -> str:
    name, arguments = spoken(call), call.arguments
    if name in ("bind", "connect", "connect_ex"):
        return _end(next((item for item in arguments if isinstance(item, tuple | list)), call.remote))
    data = next((item for item in arguments if isinstance(item, bytes)), None)
    if name in ("send", "sendall", "sendto") and data is not None:
        size = arguments[1] if call.program and len(arguments) > 1 else len(data)
        where = f", {_end(arguments[-1])}" if name == "sendto" else ""
        return f"{_bytes(data)}, {_plain(size)} bytes{where}"
    if name in ("recv", "recvfrom"):
        return str(next((item for item in arguments if isinstance(item, int)), ""))
    if name in ("accept", "close", "getsockname", "getpeername") or name in OF_NO_SOCKET:
        return ""
    return ", ".join(map(_plain, arguments))


def answered(call: Call) -> str:
    """What came of it: `= 5`, `= b'Hello'`, `= 10.1.2.3:40000`, `= ok`, `= ECONNREFUSED`."""
    name, error = spoken(call), error_of(call)
    if error:
        return f"= {error}"
    if name == "accept":
        return f"= {_end(call.remote) or 'ok'}"
    if name == "recv":
        data = call.arguments[0] if call.program and call.arguments else call.result
        return f"= {_bytes(data) if isinstance(data, bytes) and call.result != 0 else _plain(call.result or b'')}"
    if name == "recvfrom" and isinstance(call.result, tuple):
        return f"= {_bytes(call.result[0])} from {_end(call.result[1])}"
    if name in ("getsockname", "getpeername"):  # of a socket without a name, only what the call returned tells
        return f"= {_end((call.local if name == 'getsockname' else call.remote) or call.result) or 'ok'}"
    if name in ("send", "sendto", "getsockopt", "select", "poll", "epoll_wait"):
        return f"= {_plain(call.result)}"
    return "= ok"


def _end(end: object) -> str:
    if not isinstance(end, tuple | list) or len(end) < 2:
        return ""
    address, port = str(end[0]), end[1]
    return f"[{address}]:{port}" if ":" in address else f"{address or chr(39) * 2}:{port}"


def _bytes(data: Value) -> str:
    if not isinstance(data, bytes):
        return _plain(data)
    return repr(data) if len(data) <= SHOWN_BYTES else f"{data[:SHOWN_BYTES]!r}..."


def _plain(value: Value) -> str:
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_WORDS else f"{text[:SHOWN_WORDS]}..."
