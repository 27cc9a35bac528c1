"""interface, packets, ttl, peer, local."""

from typing import Any

from history_samples import CLIENT, OTHER, SERVER, Story, at

from lab.checks.base import Outcome, Seen
from lab.history import Packet

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
LO = {"local": ("127.0.0.1", 40000), "remote": ("127.0.0.1", 80), "interface": "lo"}


def refused(**fields: Any) -> Story:
    return Story(**fields).call(1, error="ECONNREFUSED").syn(1.1).rst(1.2)


def silent(**fields: Any) -> Story:
    return Story(**fields).call(1, error="TIMEOUT", ended=301)


local = Story().call(1, remote=LO["remote"]).handshake(1.1, **LO).look()
mixed = refused().call(2, remote=LO["remote"], caller="d").handshake(2.1, **LO).look()
talk = Story().call(1).handshake(1.1)
talk.packet(2, "ACK", "PSH", length=5).packet(3, "ACK", back=True).packet(4, "ACK", "FIN", back=True)
probed = Story().call(1, error="EHOSTUNREACH", ended=3060).arp(1.1, "who-has").arp(2, "who-has")
unheard = Story().call(1, error="TIMEOUT", ended=900).arp(1.1, "who-has")
probed.icmp(3050, "host-unreachable", source=CLIENT[0], interface="lo")
answered = refused().arp(1.05, "who-has").arp(1.06, "is-at").look()
looking = refused().tap("server").syn(1.12, host="server", ttl=63).rst(1.15, host="server").look(on="server")
elsewhere = silent().syn(1.1).tap("server").look(on="server")
dark = silent().syn(1.1).look(on="server")
arrived = silent().syn(1.1).syn(1.2, host="server").look(on="server")
slept = refused(awake=False).tap("client", until=100).tap("client", begin=100, dropped=3).look()
unread = refused(awake=False).tap("client", until=1.15).look()
sending = Story().call(1, "sendall", b"hello", local=CLIENT, remote=SERVER)
sending.packet(1.1, "ACK", "PSH", length=5).packet(1.2, "ACK", back=True)
datagram = Story().call(1, "sendto", b"x", SERVER, local=("0.0.0.0", 40000), remote=SERVER)
datagram.packet(1.1, protocol="udp", length=1)

accepting = Story(host="server").call(1, "accept", ended=20, local=SERVER, remote=CLIENT)
connecting = Story().call(1).handshake(1.1)
served = Story().call(1).handshake(1.1)
served.call(0.5, "accept4", ended=2, host="server", step=0, program=True, remote=CLIENT, caller="9.3")
served.call(0.4, "accept4", ended=2, host="server", step=0, program=True, remote=("10.9.0.7", 5), caller="9.4")
named = Story().call(1, remote=("server", 80)).handshake(1.1).look()
serving = Story(host="server").program(1, "socket", "AF_INET", "SOCK_STREAM", 0, result=3)
serving.program(2, "listen", 5).program(3, "accept4", remote=CLIENT, local=SERVER, result=4, ended=20)
complaining = Story().call(1).handshake(1.1)
about = ("tcp", *SERVER, *CLIENT)
complaining.add(Packet("client", at(2), "lan", True, "icmp", CLIENT[0], SERVER[0], ttl=255, icmp="x", about=about))
three = Story().call(1, error="TIMEOUT", ended=2500).syn(1.1).syn(1001).syn(2001).look()
dozing = Story(awake=False).call(1, error="TIMEOUT", ended=2500).syn(1.1).syn(1001).syn(2001).tap("client", dropped=1)
dozing = dozing.look()
slow = Story().call(1, error="TIMEOUT", ended=2500).syn(1.1).syn(1001).look(time_scale=2.0)
resent = Story().call(1).handshake(1.1).packet(2, "ACK", "PSH", length=5, seq=40001)
resent = resent.packet(203, "ACK", "PSH", length=5, seq=40001).packet(204, "ACK", back=True).look()
continued = Story().call(300, "send", b"hello", local=CLIENT, remote=SERVER, result=5).handshake(1.1)
continued = continued.packet(2, "ACK", "PSH", length=5, seq=40001).packet(301, "ACK", "PSH", length=5, seq=40001).look()

CASES: dict[tuple[str, Outcome], list[tuple[Any, Seen]]] = {
    ("interface", PASS): [
        (("lan",), refused().look()),
        (("lo",), local),
        (("lan",), connecting.look()),
        (("lan",), looking),
    ],
    ("interface", FAIL): [
        (("lo",), refused().look()),
        (("lan",), local),
        (("lan",), mixed),
        (("lan", "lo"), refused().look()),
        (("lan",), silent().look()),
        (("lo",), slept),
    ],
    ("interface", ERROR): [
        (("lan",), Story().look()),
        (("lan",), slept),
        (("lan",), unread),
        (("lan",), dark),
    ],
    ("packets", PASS): [
        ("> SYN, < RST", refused().look()),
        ("> SYN, ...", refused().look()),
        ("..., < RST", refused().look()),
        ("...", refused().look()),
        ("> any, < any", refused().look()),
        ("> SYN, < SYN-ACK, > ACK", local),
        ("> SYN, < SYN-ACK, > ACK, > DATA, < ACK, < FIN", talk.look()),
        ("> SYN, ..., < ACK, ...", talk.look()),
        ("> SYN, < RST", looking),
        ("none", silent().look()),
        ("none", elsewhere),
        ("> ARP who-has, > ARP, < ICMP host-unreachable", probed.look()),
        ("< ICMP", probed.look()),
        ("> ARP who-has", unheard.look()),
        ("> ARP who-has, < ARP is-at, > SYN, < RST", answered),
        ("> SYN, < RST", answered),
        ("> SYN, > SYN, > SYN", three),
        ({"> SYN": 3, "< any": 0}, three),
        ({"> SYN": ">= 2"}, three),
        ({"> DATA": 1}, talk.look()),
        ({"> ARP who-has": 2}, probed.look()),
        ({"< RST": ">= 1"}, slept),
        ("> DATA, < ACK", sending.look()),
        ("> DATA", datagram.look()),
        ("> SYN on lan, < RST on lan", refused().look()),
        ("> SYN within 1 ms, < RST within 1 ms", refused().look()),
        ("> SYN, > SYN after 900 ms..1.1 s, > SYN after 900 ms within 1.1 s", three),
        ("> SYN, > SYN again, > SYN after 900 ms again on lan", three),
        ("> SYN, > SYN within 600 ms, ...", slow),
        ({"> SYN on lo": 0, "> SYN on lan": 3, "> SYN again": 2, "> SYN after 900 ms": 2}, three),
        ("..., > DATA again, < ACK", resent),
        ({"> DATA again": 1, "> DATA": 2}, resent),
        ({"> DATA again": 1, "> DATA": 1, "> SYN": 0}, continued),
        ("> SYN, < RST within 1 ms", answered),
    ],
    ("packets", FAIL): [
        ("> SYN", refused().look()),
        ("> RST, < SYN", refused().look()),
        ("< SYN, > RST", refused().look()),
        ("> SYN, < RST, > ACK", refused().look()),
        ("> SYN, ..., < FIN", refused().look()),
        ("> SYN, < RST", mixed),
        ("none", refused().look()),
        ("none", arrived),
        ("none", slept),
        ("< ICMP port-unreachable", probed.look()),
        ("< ARP who-has", unheard.look()),
        ({"> SYN": 2}, three),
        ({"> SYN": "< 3"}, three),
        ({"< any": 1}, three),
        ({"> SYN": 0}, slept),
        ("> DATA", sending.look()),
        ("> SYN on lo, < RST", refused().look()),
        ("> SYN, < RST after 1 ms", refused().look()),
        ("> SYN, > SYN within 900 ms, > SYN", three),
        ("> SYN, > SYN after 1 s, > SYN after 1 s", three),
        ("> SYN again, > SYN again, > SYN again", three),
        ("> SYN after 10 ms, > SYN, > SYN", three),
        ({"> SYN on lo": 1}, three),
        ({"> DATA again": 0}, resent),
        ("> SYN, > SYN within 400 ms, ...", slow),
    ],
    ("packets", ERROR): [
        ("none", Story().look()),
        ("none", dark),
        ("> SYN, < RST", slept),
        ("> SYN, < RST", unread),
        ("> SYN", slept),
        ({"> SYN": 1}, slept),
        ({"> SYN": ">= 2"}, slept),
        ({"> SYN after 900 ms": 0}, dozing),
        ({"SYN": 1}, three),
        ("> SYN wihtin 3 s", three),
        ("> SYN, > SYN within 900 ms, > SYN", dozing),
        ({"none": 1}, three),
        ({"> SYN, > SYN": 1}, three),
    ],
    ("ttl", PASS): [(64, refused().look()), (63, looking), (64, complaining.look())],
    ("ttl", FAIL): [
        (63, refused().look()),
        (64, refused().syn(1.3, ttl=62).look()),
        (64, silent().look()),
    ],
    ("ttl", ERROR): [(64, Story().look()), (64, dark)],
    ("peer", PASS): [
        (SERVER[0], connecting.look()),
        ("10.9.0.2:80", connecting.look()),
        (SERVER[0], named),
        (CLIENT[0], accepting.look()),
        (CLIENT[0], served.look(on="server")),
        (CLIENT[0], serving.look("run")),
        ("10.9.0.3", Story().call(1, "getpeername", remote=CLIENT).look()),
    ],
    ("peer", FAIL): [
        (CLIENT[0], connecting.look()),
        ("10.9.0.2:81", connecting.look()),
        (SERVER[0], accepting.look()),
        ("10.9.0.7", served.look(on="server")),
    ],
    ("peer", ERROR): [
        (SERVER[0], Story().look()),
        (SERVER[0], connecting.look(on="server")),
        (SERVER[0], Story().call(1, "accept", ended=None).look()),
    ],
    ("local", PASS): [
        (CLIENT[0], connecting.look()),
        (SERVER[0], accepting.look()),
        (f"{OTHER[0]}:{OTHER[1]}", Story().call(1, "getsockname", local=OTHER).look()),
    ],
    ("local", FAIL): [(SERVER[0], connecting.look()), (CLIENT[0], accepting.look())],
    ("local", ERROR): [
        (CLIENT[0], Story().look()),
        (SERVER[0], served.look(on="server")),
        (CLIENT[0], silent().look()),
    ],
}
