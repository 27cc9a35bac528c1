"""Multi-connection client: CONNECTIONS talks at once."""

import selectors
import socket
import sys
import types

MESSAGES = [b"Message 1 from client.", b"Message 2 from client."]
sel = selectors.DefaultSelector()


def start_connection(connid, address):
    print(f"Starting connection {connid} to {address}", flush=True)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.connect_ex(address)  # EINPROGRESS: it goes on meanwhile
    data = types.SimpleNamespace(
        connid=connid,
        expected=sum(map(len, MESSAGES)),
        received=0,
        messages=MESSAGES.copy(),
        outb=b"",
    )
    sel.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, data)


def service_connection(key, mask):
    sock, data = key.fileobj, key.data
    if mask & selectors.EVENT_READ:
        received = sock.recv(1024)
        if received:
            print(f"Received {received!r} from connection {data.connid}", flush=True)
            data.received += len(received)
        if not received or data.received == data.expected:
            print(f"Closing connection {data.connid}", flush=True)
            sel.unregister(sock)
            sock.close()
            return
    if mask & selectors.EVENT_WRITE:
        if not data.outb and data.messages:
            data.outb = data.messages.pop(0)
        if data.outb:
            print(f"Sending {data.outb!r} to connection {data.connid}", flush=True)
            sent = sock.send(data.outb)
            data.outb = data.outb[sent:]


if len(sys.argv) != 4:
    sys.exit(f"usage: {sys.argv[0]} HOST PORT CONNECTIONS")
host, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for connid in range(1, connections + 1):
    start_connection(connid, (host, port))
while sel.get_map():
    for key, mask in sel.select(timeout=1):
        service_connection(key, mask)
