"""The fake engine: a small, honest model of hosts, networks and TCP in memory, for teaching and for tests.

It runs the same scenarios, over the same pipe's protocol, with the same decoders behind it, in virtual time. What it
does not model it refuses in words.

wire      packets as bytes
world     virtual time, and actors that take turns
firewall  a small iptables
host      devices, routes, neighbours, forwarding, taps
tcp       a host's table of endpoints
endpoint  one TCP socket of the kernel
process   descriptors, signals, system calls
names     host names, and strace's words
sockets   Python's socket class
stdlib    the modules that programs import
program   a program in an actor
tables    the socket table, whole and in its changes
views     what the classic tools would print
agent     the pipe's protocol
engine    the engine's verbs
"""

from lab.engines.fake.engine import FakeEngine

__all__ = ["FakeEngine"]
