"""COUNT clients connect at the same moment, and wait to be served."""

import argparse
import selectors
import socket
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
args = parser.parse_args()

sel = selectors.DefaultSelector()
began = time.monotonic()
for number in range(1, args.count + 1):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setblocking(False)
    s.connect_ex((args.host, args.port))  # EINPROGRESS: it goes on meanwhile
    sel.register(s, selectors.EVENT_WRITE, number)

while sel.get_map():
    for key, mask in sel.select():
        s, number = key.fileobj, key.data
        if mask & selectors.EVENT_WRITE:
            s.sendall(b"hello")
            sel.modify(s, selectors.EVENT_READ, number)
        elif data := s.recv(1024):
            waited = time.monotonic() - began
            print(f"client {number}: {data!r} after {waited:.1f} s", flush=True)
        else:  # the server has closed it
            sel.unregister(s)
            s.close()
print("all served", flush=True)
