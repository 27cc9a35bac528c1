"""Answers each client with how many there were, which it has from a Redis database."""

import argparse
import socket

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--host", default="")
parser.add_argument("--port", type=int, default=65432)
parser.add_argument("--database", default="127.0.0.1")
args = parser.parse_args()


def ask(*words):
    """A request as Redis reads it (*COUNT, $LENGTH, word, ...), and its answer."""
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection((args.database, 6379), timeout=2) as database:
        database.sendall(f"*{len(words)}\r\n{parts}".encode())
        return database.recv(1024).decode().strip()


with socket.create_server((args.host, args.port)) as listener:
    while True:
        conn, _ = listener.accept()
        with conn:
            number = ask("INCR", "clients")
            conn.sendall(f"client number {number}\n".encode())
