"""Echoes to many clients, the way --how says. Whoever sends `slow` asks for work that takes WORK seconds."""

import argparse
import os
import selectors
import signal
import socket
import threading
import time

LOOPS = {"select": selectors.SelectSelector, "poll": selectors.PollSelector, "epoll": selectors.EpollSelector}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--how", choices=[*LOOPS, "threads", "processes", "one-by-one"], default="epoll")
parser.add_argument("--work", type=float, default=1.0, help="seconds")
parser.add_argument("--idle", type=float, help="seconds of silence after which threads and the like hang up")
args = parser.parse_args()


def answer(conn):
    """Whether there was something to answer."""
    data = conn.recv(1024)
    if data == b"slow":
        time.sleep(args.work)
    conn.sendall(data)
    return data


def talk(conn):
    conn.settimeout(args.idle)
    try:
        while answer(conn):
            pass
    except TimeoutError:
        print("silent for too long", flush=True)
    conn.close()


def loop(listener, selector):
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            elif not answer(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()


listener = socket.create_server((args.host, args.port))
if args.how in LOOPS:
    loop(listener, LOOPS[args.how]())
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes
while True:
    conn, _ = listener.accept()
    if args.how == "threads":
        threading.Thread(target=talk, args=[conn], daemon=True).start()
    elif args.how == "one-by-one":
        talk(conn)
    elif os.fork():
        conn.close()
    else:
        listener.close()
        talk(conn)
        os._exit(0)
