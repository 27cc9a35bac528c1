"""Listens until it is stopped, and prints what lsof shows to it and to its user."""

import argparse
import signal
import socket
import subprocess

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("host", help="an address; one with a colon is IPv6")
parser.add_argument("port", type=int)
parser.add_argument("--only-ipv6", action="store_true", help="set IPV6_V6ONLY")
args = parser.parse_args()

family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM) as s:
    if args.only_ipv6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((args.host, args.port))
    s.listen(5)
    shown = subprocess.check_output(["lsof", "-i", "-n"], text=True)
    for line in shown.splitlines():
        print(" ".join(line.split()), flush=True)
    print("that is all", flush=True)
    signal.pause()
