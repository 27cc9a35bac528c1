from typing import Any

import pytest

from lab import doctor
from lab.doctor import Level
from lab.engines.base import Capabilities, Leftover
from lab.errors import EngineError, PoolExhausted, UsageError


class Engine:
    """Well, unless told otherwise."""

    name = "sick"
    closed = False

    def __init__(self, **sick: Any) -> None:
        self.sick = sick

    def _answer(self, what: str, well: Any) -> Any:
        answer = self.sick.get(what, well)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def capabilities(self) -> Any:
        return self._answer("capabilities", Capabilities(frozenset({"router"}), {}, {"engine": "docker 20.10"}))

    def missing_image(self) -> Any:
        return self._answer("missing_image", None)

    def subnets(self, sizes: Any) -> Any:
        return self._answer("subnets", ("10.0.0.0/28",))

    def leftovers(self) -> Any:
        return self._answer("leftovers", ())

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Any:
    def examine(**sick: Any) -> list[doctor.Line]:
        engine = Engine(**sick)
        monkeypatch.setattr(doctor, "open_engine", lambda name: engine)
        lines = list(doctor.examine("docker"))
        assert engine.closed
        return lines

    return examine


def worst(lines: list[doctor.Line]) -> list[tuple[Level, str, str]]:
    return [(line.level, line.what, line.remedy) for line in lines if line.level is not Level.OK]


def test_a_healthy_machine_has_only_good_lines(examined: Any) -> None:
    lines = examined()
    assert worst(lines) == []
    assert not any(line.wrong for line in lines)
    assert any("docker 20.10" in str(line) for line in lines)


@pytest.mark.parametrize(
    "sick",
    [
        {"capabilities": EngineError("no Docker Engine answers at X; start it")},
        {"subnets": PoolExhausted("no /28 is free: 10.0.0.0/28 by run r1")},
        {"leftovers": EngineError("list networks: gone")},
    ],
)
def test_what_stops_a_run_is_bad_and_has_a_remedy(examined: Any, sick: dict[str, Exception]) -> None:
    [(level, what, remedy)] = worst(examined(**sick))
    assert level is Level.BAD
    assert what == str(*sick.values())
    assert remedy


def test_what_a_run_can_live_with_is_a_warning(examined: Any) -> None:
    assert worst(examined(missing_image="socket-lab/host:1"))[0][0] is Level.WARN
    lacking = Capabilities(frozenset(), {"ipv6": "the kernel was started without IPv6"}, {})
    [(level, what, _)] = worst(examined(capabilities=lacking))
    assert (level, what) == (Level.WARN, "cannot do ipv6: the kernel was started without IPv6")


def test_living_runs_are_told_and_dead_ones_have_a_remedy(examined: Any) -> None:
    things = (Leftover("network", "lan", "dead", False, "10.0.0.0/28"), Leftover("host", "server", "live", True))
    lines = examined(leftovers=things)
    [(level, what, remedy)] = worst(lines)
    assert (level, what) == (Level.WARN, "dead runs left network lan (10.0.0.0/28)")
    assert "`lab sweep`" in remedy
    assert any(line.what == "run live is alive: host server" for line in lines)


def test_an_engine_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError):
        list(doctor.examine("dokcer"))


def test_a_line_is_its_level_its_finding_and_below_it_the_remedy() -> None:
    assert str(doctor.Line(Level.OK, "all is well")) == "ok   all is well"
    assert str(doctor.Line(Level.BAD, "no engine", "start it")) == "bad  no engine\n     -> start it"
