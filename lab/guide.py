"""What the guide claims, by section and number; which scenario shows a claim is for `report.coverage` to say."""

from functools import cache
from pathlib import Path

from lab.source import read

FILE = Path(__file__).parent / "guide.yaml"


@cache
def claims() -> dict[str, str]:
    """Every claim in the guide's order, by its name: `echo-server.3`."""
    sections = read(FILE).value
    return {
        f"{section}.{number}": str(text) for section, texts in sections.items() for number, text in enumerate(texts, 1)
    }


def names() -> tuple[str, ...]:
    """What a scenario's `guide` may name: a section, or one claim of it."""
    return tuple(dict.fromkeys(name for claim in claims() for name in (claim.rpartition(".")[0], claim)))
