"""Echoes to many clients, and closes a connection that stays silent for too long."""

import argparse
import selectors
import socket
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--idle", type=float, help="seconds of silence that are too long")
args = parser.parse_args()

sel = selectors.DefaultSelector()
heard = {}  # connection: when it was last heard of


def close(conn, why):
    print(f"Closing connection to {conn.getpeername()}: {why}", flush=True)
    sel.unregister(conn)
    del heard[conn]
    conn.close()


def serve(conn):
    data = conn.recv(1024)
    if data:
        heard[conn] = time.monotonic()
        conn.sendall(data)
    else:
        close(conn, "the client closed it")


with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.bind((args.host, args.port))
    listener.listen()
    sel.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in sel.select(timeout=args.idle and args.idle / 4):
            if key.fileobj is listener:
                conn, _ = listener.accept()
                sel.register(conn, selectors.EVENT_READ)
                heard[conn] = time.monotonic()
            else:
                serve(key.fileobj)
        for conn, last in list(heard.items()):
            if args.idle and time.monotonic() - last > args.idle:
                close(conn, "silent for too long")
