"""Multi-connection server: echoes to many clients at once."""

import selectors
import socket
import sys
import types

sel = selectors.DefaultSelector()


def say(text):
    print(text, flush=True)


def accept_connection(listener):
    conn, addr = listener.accept()  # it is ready, and does not block
    say(f"Accepted connection from {addr}")
    conn.setblocking(False)
    data = types.SimpleNamespace(addr=addr, outb=b"")
    sel.register(conn, selectors.EVENT_READ | selectors.EVENT_WRITE, data)


def service_connection(key, mask):
    sock, data = key.fileobj, key.data
    if mask & selectors.EVENT_READ:
        received = sock.recv(1024)
        if received:
            data.outb += received
        else:
            say(f"Closing connection to {data.addr}")
            sel.unregister(sock)
            sock.close()
            return
    if mask & selectors.EVENT_WRITE and data.outb:
        say(f"Echoing {data.outb!r} to {data.addr}")
        sent = sock.send(data.outb)
        data.outb = data.outb[sent:]


if len(sys.argv) not in (3, 4):
    sys.exit(f"usage: {sys.argv[0]} HOST PORT [BACKLOG]")
host, port, *backlog = sys.argv[1], *map(int, sys.argv[2:])
lsock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
lsock.bind((host, port))
lsock.listen(*backlog)
say(f"Listening on {(host, port)}")
lsock.setblocking(False)
sel.register(lsock, selectors.EVENT_READ, data=None)

while True:
    for key, mask in sel.select():
        if key.data is None:
            accept_connection(key.fileobj)
        else:
            service_connection(key, mask)
