"""`python -m tests.bench.lenses with|without …`: `lab …` as it is, and as it would be without its lenses.

Without them: no tap, so no packets are read and a drain answers at once; nobody reads the socket table but where a step
asks for it; no strace under programs. All else is the lab's own. The agent's source is changed on its way to the hosts
(`with` takes the same way, unchanged); the product has no such switch. Checks that need a lens answer ERROR, so the
exit code is 3.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab import bootstrap
from lab.__main__ import main

# (module, what stands there, what is put in its place)
LEFT_OUT = (
    ("main", "self._watcher = self._watcher or Watcher(self._wire)", "pass"),
    ("main", "self._tap = self._tap or Tap(self._wire, self._watcher.stir)", "pass"),
    (
        "main",
        'raise Refused("the tap does not run yet: ask for `configure` first")',
        'return {"from": time.time_ns(), "until": time.time_ns(), "seen": 0, "dropped": 0}',
    ),
    ("main", "program.start(self._children, trace, waits)", "program.start(self._children, False)"),
)


def copy(folder: Path, changes: Iterable[tuple[str, str, str]]) -> None:
    """Put the agent's modules there, changed; each place must be found once."""
    texts = {name: (bootstrap.AGENT / f"{name}.py").read_text("utf-8") for name in bootstrap.MODULES}
    for name, old, new in changes:
        if texts[name].count(old) != 1:
            sys.exit(f"expected {old!r} once in lab/agent/{name}.py, observed it {texts[name].count(old)} times")
        texts[name] = texts[name].replace(old, new)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, "utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        copy(Path(place), {"with": (), "without": LEFT_OUT}[sys.argv.pop(1)])
        bootstrap.AGENT = Path(place)
        main()
