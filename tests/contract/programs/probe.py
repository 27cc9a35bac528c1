"""Tries to reach every target, TCP and UDP, by its routes and on each device; prints what was answered.

probe PORT SECONDS DEVICE,DEVICE TARGET...
"""

import errno
import select
import socket
import sys
import time

ANSWERS = {0: "accepted", errno.ECONNREFUSED: "refused"}


def attempts(devices, targets):
    """(target, device, kind, flags): each way to try."""
    for target in targets:
        for device in ("", *devices):
            yield target, device, socket.SOCK_STREAM, 0
            yield target, device, socket.SOCK_DGRAM, 0
            yield target, device, socket.SOCK_DGRAM, socket.MSG_DONTROUTE


def begin(port, target, device, kind, flags):
    """A socket that tries, without waiting, and its errno so far; OSError where the kernel lets it not even try."""
    six = ":" in target
    caller = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
    caller.setblocking(False)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    scope = socket.if_nametoindex(device) if device and target.startswith(("fe80:", "ff02:")) else 0
    address = (target, port, 0, scope) if six else (target, port)
    if device:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if kind == socket.SOCK_DGRAM:
        caller.sendto(f"to {target} on {device or 'any'}".encode(), flags, address)
        return caller, errno.EINPROGRESS
    return caller, caller.connect_ex(address)


def main(port, seconds, devices, *targets):
    end = time.monotonic() + float(seconds)
    poll, callers, tried = select.poll(), {}, 0
    for target, device, kind, flags in attempts(devices.split(","), targets):
        words = f"{kind.name} to {target} on {device or 'any'}"
        try:
            caller, code = begin(int(port), target, device, kind, flags)
        except OSError:
            continue
        tried += 1
        if code in ANSWERS:
            print(words, ANSWERS[code])
        elif code == errno.EINPROGRESS and kind == socket.SOCK_STREAM:
            callers[caller.fileno()] = caller, words
            poll.register(caller, select.POLLOUT)
    while (left := end - time.monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            poll.unregister(number)
            caller, words = callers[number]
            code = caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code in ANSWERS:
                print(words, ANSWERS[code])
    print(f"tried {tried}")


main(*sys.argv[1:])
