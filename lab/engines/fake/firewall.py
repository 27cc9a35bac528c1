"""A small iptables: the filter table's rules on protocol, addresses, ports and interfaces. What it does not know it
refuses in iptables' own way, with a status and words, so that no rule is silently another one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from msgspec import Struct
from msgspec.structs import replace

from lab.engines.fake.wire import ACK, FIN, RST, SYN, Packet

# How a rejected packet is answered: ICMP type and code, by family.
ICMP_ANSWERS = {
    4: {
        "icmp-port-unreachable": (3, 3),
        "icmp-net-unreachable": (3, 0),
        "icmp-host-unreachable": (3, 1),
        "icmp-proto-unreachable": (3, 2),
        "icmp-net-prohibited": (3, 9),
        "icmp-host-prohibited": (3, 10),
        "icmp-admin-prohibited": (3, 13),
    },
    6: {
        "icmp6-port-unreachable": (1, 4),
        "icmp6-no-route": (1, 0),
        "icmp6-addr-unreachable": (1, 3),
        "icmp6-adm-prohibited": (1, 1),
    },
}
CHAINS = ("INPUT", "FORWARD", "OUTPUT")
NAMES = {
    "-p": "protocol", "--protocol": "protocol", "-s": "source", "--source": "source", "-d": "destination",
    "--destination": "destination", "-i": "inward", "--in-interface": "inward", "-o": "outward",
    "--out-interface": "outward", "--dport": "dport", "--destination-port": "dport", "--sport": "sport",
    "--source-port": "sport", "-j": "target", "--jump": "target", "--reject-with": "answer",
}  # fmt: skip


class Refusal(Exception):
    """Why a command was not obeyed, and the exit status."""

    def __init__(self, words: str, code: int = 2) -> None:
        self.code = code
        super().__init__(words)


class Unknown(Refusal):
    """A command that iptables may know, and this firewall does not."""


class Rule(Struct, frozen=True):
    """What a packet must be (None: anything) and what becomes of it."""

    protocol: str | None = None
    source: IPv4Network | IPv6Network | None = None
    destination: IPv4Network | IPv6Network | None = None
    inward: str | None = None
    outward: str | None = None
    sport: range | None = None
    dport: range | None = None
    syn: bool = False
    target: str = ""
    answer: str = ""

    def matches(self, packet: Packet, inward: str, outward: str) -> bool:
        """Whether this rule is about the packet."""
        segment = packet.segment
        return (
            (self.protocol in (None, "all") or self.protocol == ("tcp" if segment else "icmp"))
            and (self.source is None or packet.source in self.source)
            and (self.destination is None or packet.destination in self.destination)
            and self.inward in (None, inward)
            and self.outward in (None, outward)
            and (self.sport is None or (segment is not None and segment.sport in self.sport))
            and (self.dport is None or (segment is not None and segment.dport in self.dport))
            and (not self.syn or (segment is not None and segment.flags & (SYN | ACK | RST | FIN) == SYN))
        )


@dataclass
class Firewall:
    """One family's filter table."""

    version: int
    rules: dict[str, list[Rule]] = field(default_factory=lambda: {chain: [] for chain in CHAINS})
    policies: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CHAINS, "ACCEPT"))

    def verdict(self, chain: str, packet: Packet, inward: str = "", outward: str = "") -> Rule:
        """The first rule that matches, or the policy as one."""
        for rule in self.rules[chain]:
            if rule.target and rule.matches(packet, inward, outward):
                return rule
        return Rule(target=self.policies[chain])

    def command(self, words: Sequence[str]) -> None:
        """Obey a command, or raise Refusal."""
        rest = iter(words)
        action, chain, place = "", "", 0
        options: list[str] = []
        for word in rest:
            if word in ("-t", "--table"):
                if _after(word, rest) != "filter":
                    raise Unknown("the fake engine's firewall has the filter table only")
            elif word in ("-A", "-I", "-D", "-F", "-P", "--append", "--insert", "--delete", "--flush", "--policy"):
                action, chain = word.lstrip("-")[:1].upper(), next(rest, "")
            elif not options and action in ("I", "D") and word.isdigit():
                place = int(word)
            else:
                options.append(word)
        if action != "F" or chain:
            self._known(chain, action)
        self._obey(action, chain, place, options)

    def _obey(self, action: str, chain: str, place: int, options: list[str]) -> None:
        if action == "F":
            for name in [chain] if chain else CHAINS:
                self.rules[name].clear()
        elif action == "P":
            if options not in (["ACCEPT"], ["DROP"]):
                raise Refusal(f"Bad policy name, expected ACCEPT or DROP, observed {' '.join(options)!r}")
            self.policies[chain] = options[0]
        elif action == "D" and place:
            if place > len(self.rules[chain]):
                raise Refusal("Index of deletion too big.", 1)
            del self.rules[chain][place - 1]
        else:
            self._change(action, self.rules[chain], place, _rule(options, self.version))

    @staticmethod
    def _change(action: str, rules: list[Rule], place: int, rule: Rule) -> None:
        if action == "D" and rule not in rules:
            raise Refusal("Bad rule (does a matching rule exist in that chain?).", 1)
        if action == "D":
            rules.remove(rule)
        elif action == "I":
            if place > len(rules) + 1:
                raise Refusal("Index of insertion too big.", 1)
            rules.insert(max(place, 1) - 1, rule)
        else:
            rules.append(rule)

    @staticmethod
    def _known(chain: str, action: str) -> None:
        if not action:
            raise Refusal("no command specified; the fake engine's firewall knows -A, -I, -D, -F and -P")
        if chain not in CHAINS:
            raise Unknown(f"the fake engine's firewall has {', '.join(CHAINS)}; observed {chain!r}")


def _after(word: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise Refusal(f'option "{word}" requires an argument')
    return value


def _rule(options: Sequence[str], version: int) -> Rule:
    rule = Rule()
    rest = iter(options)
    for word in rest:
        if word in ("-m", "--match"):
            if (value := _after(word, rest)) != "tcp":
                raise Unknown(f"the fake engine's firewall does not know the match {value!r}")
        elif word == "--syn":
            rule = replace(rule, syn=True)
        elif word in NAMES:
            rule = _with(rule, NAMES[word], _after(word, rest))
        else:
            raise Unknown(f"the fake engine's firewall does not know {word!r}")
    return _checked(rule, version)


def _with(rule: Rule, name: str, value: str) -> Rule:
    if name in ("sport", "dport"):
        low, _, high = value.partition(":")
        if not (low.isdigit() and (high or low).isdigit()):
            raise Refusal(f'invalid port/service "{value}" specified')
        ports = range(int(low), int(high or low) + 1)
        return replace(rule, sport=ports) if name == "sport" else replace(rule, dport=ports)
    if name in ("source", "destination"):
        try:
            network = ip_network(value, strict=False)
        except ValueError as error:
            raise Refusal(f"host/network `{value}' not found") from error
        return replace(rule, source=network) if name == "source" else replace(rule, destination=network)
    return replace(rule, **{name: value})


def _checked(rule: Rule, version: int) -> Rule:
    if rule.protocol not in (None, "all", "tcp", "udp", "icmp"):
        raise Unknown(f"the fake engine's firewall knows the protocols tcp, udp and icmp; observed {rule.protocol!r}")
    if (rule.sport or rule.dport or rule.syn) and rule.protocol not in ("tcp", "udp"):
        raise Refusal("a port needs -p tcp before it")
    if rule.target not in ("", "ACCEPT", "DROP", "REJECT"):
        raise Unknown(f"the fake engine's firewall knows ACCEPT, DROP and REJECT; observed {rule.target!r}")
    if rule.target != "REJECT":
        return rule
    answer = rule.answer or ("icmp-port-unreachable" if version == 4 else "icmp6-port-unreachable")
    if answer == "tcp-reset" and rule.protocol != "tcp":
        raise Refusal("RULE_APPEND failed (Invalid argument): tcp-reset needs -p tcp", 4)
    if answer != "tcp-reset" and answer not in ICMP_ANSWERS[version]:
        raise Refusal(f'unknown reject type "{answer}"')
    return replace(rule, answer=answer)
