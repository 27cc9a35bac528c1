"""Answers each line of many clients; with blocking sockets, or without."""

import argparse
import selectors
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--blocking", action="store_true", help="leave them blocking")
args = parser.parse_args()

sel = selectors.DefaultSelector()
begun = {}  # connection: the beginning of its line


def serve(conn):
    """Read to the end of the line, or as far as it goes without waiting."""
    try:
        while not begun[conn].endswith(b"\n"):
            data = conn.recv(1024)
            if not data:
                sel.unregister(conn)
                conn.close()
                return
            begun[conn] += data
    except BlockingIOError:
        return  # the rest is not there yet: the others first
    conn.sendall(begun[conn])
    begun[conn] = b""


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.bind((args.host, args.port))
    listener.listen()
    sel.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in sel.select():
            if key.fileobj is listener:
                conn, _ = listener.accept()
                conn.setblocking(args.blocking)
                sel.register(conn, selectors.EVENT_READ)
                begun[conn] = b""
            else:
                serve(key.fileobj)
