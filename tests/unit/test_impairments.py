"""What is said of a bad link, as an agent takes it; and what says nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from lab.impairments import capacity, orders, rate, which
from lab.model import Impairment, Step
from lab.plan import PlannedStep
from lab.shape import made


def test_what_was_said_in_numbers() -> None:
    said = {"network": "lan", "of": {"port": 80}, "lose": "every 3 from 2", "delay": "50 ms", "rate": "1.5 Mbit/s"}
    impair = made(Impairment, said | {"duplicate": [2, 5], "queue": "4 packets"})
    assert orders(impair.badness()) == {
        "of": {"port": 80},
        "lose": {"every": 3, "from": 2},
        "duplicate": {"these": [2, 5]},
        "delay": 0.05,
        "rate": 1.5e6,
        "queue": {"packets": 4},
    }
    assert [which(text) for text in ("every 3", "all", "2.5 %")] == [
        {"every": 3, "from": 3},
        {"every": 1, "from": 1},
        {"share": 0.025},
    ]
    assert (rate("800 kbit/s"), rate("9bit/s"), capacity("1 packet"), capacity("3000 bytes")) == (
        8e5,
        9.0,
        {"packets": 1},
        {"bytes": 3000},
    )


@pytest.mark.parametrize(
    ("meaning", "said"),
    [
        *((which, said) for said in ("every", "every 0", "third", "101 %", "-1 %", [], [0], [True], ["1"], 3, None)),
        *((rate, said) for said in ("80", "80 kbit", "0 kbit/s", "1 Gbit/s", 80)),
        *((capacity, said) for said in ("4", "0 packets", "4 kB", 4)),
    ],
)
def test_what_says_nothing(meaning: Callable[[Any], Any], said: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, observed "):
        meaning(said)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"lose": "every 3", "of": {"protocol": "udp", "port": 80}}, "lan in: lose every 3 of udp port 80"),
        ({"lose": [2, 5], "delay": "5 ms", "direction": "out"}, "lan out: lose 2, 5, delay 5 ms"),
        ({"reorder": 2, "of": {"data": True}}, "lan in: reorder 2 of with data"),
        ({"none": True}, "lan: none"),
    ],
)
def test_a_step_in_one_line(said: dict[str, Any], text: str) -> None:
    step = made(Step, {"host": "server", "impair": {"network": "lan"} | said})
    assert PlannedStep(number=0, step=step).text == f"server: impair {text}"
