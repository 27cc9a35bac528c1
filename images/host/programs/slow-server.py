"""Serves one client at a time, and takes SECONDS for each."""

import argparse
import socket
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("backlog", type=int)
parser.add_argument("--seconds", type=float, default=0.1)
args = parser.parse_args()

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.bind((args.host, args.port))
    s.listen(args.backlog)
    while True:
        conn, addr = s.accept()
        with conn:
            data = conn.recv(1024)
            time.sleep(args.seconds)
            conn.sendall(data)
