"""What is folded for the eye, and that nothing of it is lost."""

from lab.folding import folded
from lab.segments import Segment
from lab.timeline import Event


def packet(time: int, words: str = "DATA 9 bytes", *, again: bool = False, noise: bool = False, step: int = 1) -> Event:
    segment = Segment(0, 0, again)
    return Event("packet", time, "one", words, (time,), step, "two", time, "lan", segment=segment, noise=noise)


def call(time: int, words: str) -> Event:
    return Event("call", time, "one", words, (time,), 1)


def shown(*events: Event) -> list[str]:
    found = list(folded(events))
    assert sorted(place for event in found for place in event.evidence) == sorted(event.time for event in events)
    return [event.words for event in found]


def test_noise_is_told_once_a_step_at_its_end() -> None:
    words = shown(
        packet(1, "ARP is-at 10.9.0.2", noise=True),
        packet(2, "SYN"),
        packet(3, "IGMP", noise=True),
        packet(4, "IGMP", noise=True),
        packet(5, "RST"),
        packet(6, "IGMP", noise=True, step=2),
    )
    assert words == ["SYN", "RST", "2 IGMP, 1 ARP is-at", "1 IGMP"]


def test_what_is_sent_again_and_again_is_told_twice() -> None:
    words = shown(
        packet(1, "SYN"), *(packet(time, "SYN again", again=True) for time in (2, 3, 4)), packet(5, "SYN-ACK")
    )
    assert words == ["SYN", "SYN again", "again: 2 SYN again", "SYN-ACK"]
    assert shown(packet(1, "SYN"), packet(2, "SYN again", again=True)) == ["SYN", "SYN again"]


def test_a_long_talk_keeps_its_beginning_and_end() -> None:
    talk = [packet(time) if time % 2 else call(time, "recv(1024) = b'x'") for time in range(40)]
    words = shown(packet(100, "SYN"), *talk, packet(101, "FIN"))
    assert words[0] == "SYN" and words[-1] == "FIN"
    assert words[5] == "17 recv, 16 DATA"
    assert len(words) == 10


def test_a_call_and_its_end_are_counted_once() -> None:
    begins = [call(time, "send(b'x', 1 bytes)") for time in range(0, 40, 2)]
    ends = [Event("return", time, "one", "send = 1", (time,), 1) for time in range(1, 40, 2)]
    assert "17 send" in shown(*sorted([*begins, *ends], key=lambda event: event.time))


def test_a_short_talk_is_told_whole() -> None:
    talk = [packet(time) for time in range(12)]
    assert shown(*talk) == ["DATA 9 bytes"] * 12


def test_a_failed_call_is_never_folded() -> None:
    failed = Event("call", 50, "one", "send(b'x', 1 bytes) = EPIPE", (50,), 1, failed=True)
    assert failed.words in shown(
        *(packet(time) for time in range(30)), failed, *(packet(time) for time in range(60, 90))
    )


def test_many_kinds_are_not_all_named() -> None:
    words = shown(*(packet(time, f"ICMP {time}", noise=True) for time in range(9)))
    assert words == ["1 ICMP 0, 1 ICMP 1, 1 ICMP 2, 1 ICMP 3, ..."]
