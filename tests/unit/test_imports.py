"""Imports go one way: a module may import only what stands above it in this list; a package is one name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab

ORDER = """errors source i18n guide calls patterns impairments iptables model shape template translation mistakes
history decode segments netcalls wire tries attempts states spoken pcapng align checks addressing library rules scenario
plan timeline folding judge counting transcript agent bootstrap remote engines runner runs diff slots flow prove report
schema doctor compose options cli __main__ pytest_plugin""".split()
ROOT = Path(lab.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
NOT_EVERYWHERE = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
LINUX = (ROOT / "agent", ROOT / "engines" / "namespaces", ROOT / "engines" / "namespaces.py")


def imported(node: ast.AST) -> Iterator[str]:
    """What is imported whatever the platform is."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from (f"lab.{name.name}" if node.module == "lab" else str(node.module) for name in node.names)
    elif not (
        isinstance(node, ast.If | ast.With) and re.search("platform|ImportError", ast.unparse(node).split(":")[0])
    ):
        for child in ast.iter_child_nodes(node):
            yield from imported(child)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts[0]
    names = set(imported(ast.parse(path.read_text("utf-8"))))
    uses = {name.split(".")[1] for name in names if name.startswith("lab.")} - {"__version__"}
    above = {own} if own in ("agent", "__init__") else set(ORDER[: ORDER.index(own) + 1])
    assert uses <= above, f"{own} stands above {uses - above}"
    on_linux_only = any(place in (path, *path.parents) for place in LINUX)
    assert on_linux_only or not names & NOT_EVERYWHERE, "guard it, as runs.py does"
