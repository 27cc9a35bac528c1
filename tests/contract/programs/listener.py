"""Listens on one port of every address of the machine, TCP and UDP, IPv4 and IPv6; tells them, and at each line of its
input what came since. The kernel keeps it meanwhile; its own greetings, which must come too, prove that it could come.
"""

import contextlib
import json
import re
import socket
import sys
from pathlib import Path

LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
SELF = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def addresses():
    """Every address of the machine's but the loopback's."""
    for found in set(LOCAL.findall(Path("/proc/net/fib_trie").read_text())):
        if not found.startswith("127."):
            yield found
    for line in Path("/proc/net/if_inet6").read_text().splitlines():
        digits, *_, device = line.split()
        if device != "lo":
            yield socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))


def listen():
    """The four sockets, on one port that is free for all of them."""
    while True:
        ends, port = [], 0
        with contextlib.suppress(OSError):
            for family in SELF:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    end = socket.socket(family, kind)
                    if family == socket.AF_INET6:
                        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    end.setblocking(False)
                    end.bind(("", port))
                    port = end.getsockname()[1]
                    if kind == socket.SOCK_STREAM:
                        end.listen(1000)
                    ends.append(end)
            return port, ends


def came(end):
    """Everything that waits at a socket: (peer's address, text)."""
    with contextlib.suppress(BlockingIOError):
        while True:
            if end.type == socket.SOCK_STREAM:
                yield end.accept()[1][0], ""
            else:
                data, peer = end.recvfrom(1000)
                yield peer[0], data.decode()


def main():
    port, ends = listen()
    print(json.dumps({"port": port, "addresses": sorted(set(addresses()))}), flush=True)
    for _ in sys.stdin:
        heard, greetings = [], 0
        for end in ends:
            with socket.socket(end.family, end.type) as caller:
                caller.connect((SELF[end.family], port))
                caller.send(b"greeting")
                for peer, text in came(end):
                    if peer == SELF[end.family]:
                        greetings += 1
                    else:
                        heard.append(f"{end.type.name} from {peer} {text}".strip())
        print(json.dumps({"awake": greetings == len(ends), "heard": heard}), flush=True)


main()
