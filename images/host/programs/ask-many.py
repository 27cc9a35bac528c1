"""Opens COUNT connections, then asks on all at once, and tells how many were answered."""

import argparse
import contextlib
import selectors
import socket
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
parser.add_argument("--patience", type=float, default=1, help="seconds for all")
args = parser.parse_args()

address = (args.host, args.port)
conns = [socket.create_connection(address) for _ in range(args.count)]
sel = selectors.DefaultSelector()
for conn in conns:
    conn.sendall(b"Hello")
    sel.register(conn, selectors.EVENT_READ)

answered = 0
end = time.monotonic() + args.patience
while sel.get_map() and time.monotonic() < end:
    for key, _ in sel.select(timeout=max(0, end - time.monotonic())):
        sel.unregister(key.fileobj)
        with contextlib.suppress(ConnectionError):
            answered += key.fileobj.recv(1024) == b"Hello"

for conn in conns:
    conn.close()
print(f"{answered} of {args.count} answered")
