"""Echoes to many clients: a thread or a process for each."""

import argparse
import os
import signal
import socket
import threading
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("kind", choices=["threads", "processes"])
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--work", type=float, default=0, help="seconds for each answer")
args = parser.parse_args()


def serve(conn):
    with conn:
        while data := conn.recv(1024):
            time.sleep(args.work)
            conn.sendall(data)


signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for their ends
with socket.create_server((args.host, args.port)) as listener:
    while True:
        conn, _ = listener.accept()
        if args.kind == "threads":
            threading.Thread(target=serve, args=[conn], daemon=True).start()
            continue
        if os.fork() == 0:
            listener.close()
            serve(conn)
            os._exit(0)
        conn.close()  # the child has its own
