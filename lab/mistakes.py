"""Where in the file a misfit was written.

A place is where the mistake was written: what a step took from its case stands in the case.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from lab.errors import Mark, Problem
from lab.shape import Misfit
from lab.source import Path_, Source
from lab.template import NAME


def problems_of(misfits: Iterable[Misfit], source: Source, base: Path_, case: str = "") -> Iterator[Problem]:
    """What does not fit in what stands at `base` in the source, as the case sets it."""
    for misfit in misfits:
        path = path_of(source, (*base, *misfit.path), case, whole=not misfit.key)
        yield Problem(source.key(path) if misfit.key else source.mark(path), misfit.words)


def place(source: Source, path: Path_, case: str = "") -> Mark:
    """Where what stands at this path was written."""
    return source.mark(path_of(source, path, case))


def path_of(source: Source, path: Path_, case: str = "", whole: bool = True) -> Path_:
    """The part of a path that exists in the file. Left out are indices into what was written as one value instead of a
    list of one; a `"{name}"` leads to the case's value (at the end, if `whole`)."""
    node: Any = source.value
    found: Path_ = ()
    for key in path:
        node, found = _through(source, node, found, case)
        inside = key in node if isinstance(node, dict) else isinstance(node, list) and key in range(len(node))
        if inside:
            node, found = node[key], (*found, key)
    return _through(source, node, found, case)[1] if whole else found


def _through(source: Source, node: Any, found: Path_, case: str) -> tuple[Any, Path_]:
    name = NAME.fullmatch(node) if case and isinstance(node, str) and found[:1] != ("cases",) else None
    cases = source.value.get("cases") if name else None
    parameters = cases.get(case) if isinstance(cases, dict) else None
    if name and isinstance(parameters, dict) and name[1] in parameters:
        return parameters[name[1]], ("cases", case, name[1])
    return node, found
