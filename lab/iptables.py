"""The words of a firewall rule: what a step may say to iptables or ip6tables, and which tables are not its own."""

import shlex

GUARD_TABLE, IMPAIRED_TABLE = "security", "mangle"
_RULE_OPTIONS = frozenset("A I D R P F N X Z t p s d i o j m g f".split())
_RULE_COMMANDS = frozenset("-A -I -D -R -P -F -N -X -Z --append --insert --delete --replace --policy --flush".split())


def firewall_rule(text: str) -> tuple[str, ...]:
    """An iptables or ip6tables command as words; only options that act on rules (none that runs a program)."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"expected the words of an iptables rule, observed {text!r} ({error})") from error
    if not words:
        raise ValueError("expected an iptables rule, as in iptables -A INPUT -p tcp --dport 65432 -j DROP")
    if words[0].startswith("-"):
        words.insert(0, "iptables")
    if words[0] not in ("iptables", "ip6tables"):
        raise ValueError(f"expected iptables or ip6tables, observed {words[0]!r}")
    for word in words[1:]:
        short = word.startswith("-") and not word.startswith("--")
        modprobe = len(word) > 2 and "--modprobe".startswith(word.partition("=")[0])
        if modprobe or (short and word[1:] not in _RULE_OPTIONS):
            raise ValueError(f"expected an option of a rule (-A, -p, -j, --dport, …), observed {word!r}")
    if any(word.rpartition("=")[2] == GUARD_TABLE for word in words):
        raise ValueError(f"expected another table: {GUARD_TABLE} is the lab's own, which keeps hosts off the machine")
    if not _RULE_COMMANDS & set(words):
        raise ValueError(f"expected a command (-A, -I, -D, -P, -F, …) in the rule, observed {text!r}")
    return tuple(words)
