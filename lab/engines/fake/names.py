"""What names mean on a fake host: host names as addresses, and options and bytes as strace writes them."""

import errno
import re
import socket as real

from lab.decode.errnos import ERRNO
from lab.engines.fake.endpoint import as_address
from lab.engines.fake.process import Process, Unmodelled
from lab.engines.fake.wire import Address

SHOWN = 64
LINUX = {name: number for number, name in ERRNO.items()}


def linux(number: int) -> int:
    """This machine's errno as the number that Linux has for it."""
    return LINUX.get(errno.errorcode.get(number, ""), number)


def resolve(process: Process, host: str, version: int = 0) -> list[Address]:
    """The addresses of a name or a literal, of one family (0: both); gaierror."""
    if host == "":
        return [as_address("0.0.0.0" if version != 6 else "::")]
    texts = process.names.get(host, (host,))
    try:
        found = [as_address(text) for text in texts]
    except ValueError:
        raise real.gaierror(real.EAI_NONAME, "Name or service not known") from None
    mapped = version == 6 and texts[0].lower().startswith("::ffff:")
    fitting = [it for it in found if version in (0, it.version) or mapped]
    if not fitting:
        raise real.gaierror(getattr(real, "EAI_ADDRFAMILY", -9), "Address family for hostname not supported")
    return fitting


def option_name(level: int, option: int) -> str:
    """`SOL_SOCKET, SO_REUSEADDR`, as strace writes it."""
    levels = ((r"SO_[A-Z_]+", real.SOL_SOCKET), (r"TCP_\w+", real.IPPROTO_TCP), (r"IPV6_\w+", real.IPPROTO_IPV6))
    for pattern, number in levels:
        for name in dir(real):
            if level == number and re.fullmatch(pattern, name) and getattr(real, name) == option:
                return f"SOL_{'SOCKET' if number == real.SOL_SOCKET else name.partition('_')[0]}, {name}"
    raise Unmodelled(f"socket option {level}, {option}")


def quoted(data: bytes) -> str:
    """Bytes as strace shows them: the first of them, as a C string."""
    text = "".join(chr(it) if 32 <= it < 127 and it not in b'"\\' else f"\\{it:03o}" for it in data[:SHOWN])
    return f'"{text}"' + ("..." if len(data) > SHOWN else "")
