"""Echoes to many clients without waiting for any: it asks them all, again and again."""

import argparse
import contextlib
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
args = parser.parse_args()

conns = []
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.bind((args.host, args.port))
    listener.listen()
    listener.setblocking(False)
    while True:
        with contextlib.suppress(BlockingIOError):
            conn, _ = listener.accept()
            conn.setblocking(False)
            conns.append(conn)
        for conn in list(conns):
            with contextlib.suppress(BlockingIOError):
                data = conn.recv(1024)
                if data:
                    conn.sendall(data)
                else:
                    conns.remove(conn)
                    conn.close()
