"""Echoes to many clients in one thread: a loop around select, poll or epoll."""

import argparse
import os
import resource
import selectors
import socket
import time

KINDS = {
    "select": selectors.SelectSelector,
    "poll": selectors.PollSelector,
    "epoll": selectors.EpollSelector,
}
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("kind", choices=KINDS)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--work", type=float, default=0, help="seconds for each answer")
parser.add_argument("--files", type=int, default=0, help="how many it opens first")
args = parser.parse_args()

sel = KINDS[args.kind]()
with socket.create_server((args.host, args.port)) as listener:
    sel.register(listener, selectors.EVENT_READ)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    files = [os.dup(0) for _ in range(args.files)]
    while True:
        ready = [key.fileobj for key, _ in sel.select()]
        for s in [listener] if listener in ready else ready:  # newcomers first
            if s is listener:
                conn, _ = listener.accept()
                sel.register(conn, selectors.EVENT_READ)
            elif data := s.recv(1024):
                time.sleep(args.work)
                s.sendall(data)
            else:
                sel.unregister(s)
                s.close()
