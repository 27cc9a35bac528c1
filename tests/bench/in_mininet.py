"""What the lab in namespaces is measured against: two hosts on Mininet's LinuxBridge and one connection.

It runs under the Python that has Mininet, in a network namespace of its own (`unshare`), so that the machine's firewall
has no say on its bridge. It prints how long that took (s), its imports not counted.
"""

import sys
import time

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo

SERVER = "import socket; s = socket.create_server(('', 65432)); print('ready', flush=True); s.accept()"
CLIENT = "import socket, sys; socket.create_connection((sys.argv[1], 65432), 5)"


def main():
    """Up, one connection, down."""
    begun = time.perf_counter()
    net = Mininet(topo=SingleSwitchTopo(2), switch=LinuxBridge, controller=None)
    net.start()
    client, server = net.hosts
    while not net.switches[0].connected():  # until the bridge forwards: a lost SYN would cost it a second
        pass
    listener = server.popen([sys.executable, "-I", "-S", "-c", SERVER])
    listener.stdout.readline()
    connecting = client.popen([sys.executable, "-I", "-S", "-c", CLIENT, server.IP()])
    refused = connecting.wait()
    listener.wait()
    net.stop()
    print(time.perf_counter() - begun)
    return refused


if __name__ == "__main__":
    sys.exit(main())
