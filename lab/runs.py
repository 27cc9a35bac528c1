"""Runs on disk: what was planned and what was observed, saved before anyone judges it.

    runs/                               in the current directory, or where LAB_RUNS says
      20261123-081640-3f9a1c07/         UTC and chance; also the label of all that the run makes
        open                            there while the run goes on, and locked: a crash does not hold it
        refused.closed/                 a case: plan.json, history.jsonl, HOST.pcapng of each host that saw packets
        refused.closed.2/               the same again
        refused.filtered/               a case that was skipped: plan.json, skipped.txt (why)
      latest -> 20261123-...            the run that saved last
      anything else                     is nobody's business here: a run that is renamed is kept for ever

Verdicts are not saved: `judge` gives them again from a case's folder.
"""

import contextlib
import difflib
import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from lab.engines.base import new_run_id
from lab.errors import LabError, UsageError, did_you_mean
from lab.history import History, dumps, loads
from lab.library import outline
from lab.pcapng import captures
from lab.plan import Plan

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

DAMAGED = "; the file was damaged, or another version of the lab saved it: run the case again"
KEPT = 20
LATEST, OPEN, PLAN, HISTORY, SKIPPED = "latest", "open", "plan.json", "history.jsonl", "skipped.txt"
ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


def default_root() -> Path:
    """Where runs are: LAB_RUNS, else `runs` in the current directory."""
    return Path(os.environ.get("LAB_RUNS") or "runs")


class Run(Struct, frozen=True):
    """A run that is being written; several threads may save. At its end it gives way: the twenty newest stay, and those
    that another living process writes. A run that saved nothing leaves nothing."""

    folder: Path
    _marker: IO[bytes]

    @property
    def id(self) -> str:
        """As in 20261123-081640-3f9a1c07."""
        return self.folder.name

    def save(self, plan: Plan, history: History) -> Path:
        """The folder of the finished case, which appears with all its files; LabError where it cannot be written."""
        files = {f"{host}.pcapng": data for host, data in captures(history).items()}
        return self._store(plan, {HISTORY: dumps(history).encode()} | files)

    def skip(self, plan: Plan, reason: str) -> Path:
        """The folder of a case that was not run, with the reason."""
        return self._store(plan, {SKIPPED: f"{reason.strip()}\n".encode()})

    def close(self) -> None:
        """The run is complete."""
        self._marker.close()
        with contextlib.suppress(OSError):
            (self.folder / OPEN).unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        _drop_old(self.folder)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _store(self, plan: Plan, files: Mapping[str, bytes]) -> Path:
        partial = self.folder / f".partial-{os.urandom(4).hex()}"
        with _in_words(self.folder):
            try:
                partial.mkdir(parents=True)
                (partial / PLAN).write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
                for name, data in files.items():
                    (partial / name).write_bytes(data)
                folder = _settle(partial, f"{plan.scenario}.{plan.case}")
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        _point_latest(self.folder)
        return folder


def new_run(root: Path | None = None, run_id: str | None = None) -> Run:
    """A new run in `root`, to be used in a `with` block; LabError where none can be made there."""
    root = root or default_root()
    folder = root / (run_id or new_run_id())
    with _in_words(root):
        folder.mkdir(parents=True)
        marker = (folder / OPEN).open("xb")
    # Where the file system knows no locks, the marker alone keeps the run, until its end.
    with contextlib.suppress(OSError):
        _lock(marker)
    return Run(folder, marker)


def find(name: str, root: Path | None = None) -> tuple[Path, ...]:
    """The cases' folders of a run: `latest`, its id, the beginning of one, the name it was given since, a path, or one
    case's path. Those of one scenario follow each other as in its file, if that is still there, else in the order of
    their ends. UsageError says which runs there are."""
    root = root or default_root()
    folder = _find_folder(name, root)
    if (folder / PLAN).is_file():
        return (folder,)
    saved = {path.parent for name in (PLAN, HISTORY, SKIPPED) for path in folder.glob(f"[!.]*/{name}")}
    if not saved:
        raise UsageError(f"{folder}: expected the folders of cases (each with {PLAN}), observed none")
    if damaged := sorted(case.name for case in saved if not (case / PLAN).is_file()):
        raise UsageError(f"{folder}: expected a {PLAN} in each case's folder, observed none in {', '.join(damaged)}")
    return _in_order(sorted(saved, key=_age))


def _in_order(folders: Sequence[Path]) -> tuple[Path, ...]:
    named = {folder: _named(folder) for folder in folders}
    files = list(dict.fromkeys(file for file, _ in named.values()))
    places = {file: _places(file) for file in files}

    def key(folder: Path) -> tuple[int, int]:
        file, case = named[folder]
        return files.index(file), places[file].get(case, 0)

    return tuple(sorted(folders, key=key))


def _named(folder: Path) -> tuple[str, str]:
    """The scenario's file and the case; what is wrong with a plan is for whoever loads it."""
    try:
        plan = load_plan(folder)
    except UsageError:
        return "", ""
    return plan.file, plan.case


def _places(file: str) -> dict[str, int]:
    """Those of the cases in a scenario's file; none where it cannot be read any more."""
    with contextlib.suppress(LabError):
        return {name: place for place, name in enumerate(outline(Path(file)).cases)}
    return {}


def only(folders: Sequence[Path], case: str | None) -> tuple[Path, ...]:
    """Those of the case of that name (`open`, `refused.open`), or all; UsageError with the one that was
    meant."""
    if not case:
        return tuple(folders)
    plans = [(load_plan(folder), folder) for folder in folders]
    found = tuple(folder for plan, folder in plans if case in (plan.case, f"{plan.scenario}.{plan.case}"))
    if not found:
        names = [plan.case for plan, _ in plans]
        raise UsageError(f"{folders[0].parent} has no case {case!r}" + did_you_mean(case, names))
    return found


def skip_reason(folder: Path) -> str:
    """Why the case was not run; empty where it was."""
    path = folder / SKIPPED
    return path.read_text("utf-8", "replace").strip() if path.is_file() else ""


def load_case(folder: Path) -> tuple[Plan, History]:
    """What was planned and observed; UsageError names the file and the line that cannot be read. A case that was
    skipped has no history."""
    return load_plan(folder), _load_history(folder / HISTORY)


def load_plan(folder: Path) -> Plan:
    """What was planned; UsageError names the place that cannot be read."""
    path = folder / PLAN
    text = _read(path)
    try:
        json.loads(text)
        return msgspec.json.decode(text, type=Plan)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}:{error.lineno}:{error.colno}: expected a plan, observed {error.msg}{DAMAGED}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}:1:1: expected a plan, observed {error}{DAMAGED}") from error


def _load_history(path: Path) -> History:
    if skipped := skip_reason(path.parent):
        raise UsageError(f"{path.parent}: expected a case that was run, observed that it was skipped: {skipped}")
    text = _read(path)
    try:
        return loads(text)
    except ValueError as error:
        line, _, wrong = str(error).removeprefix("line ").partition(": ")
        raise UsageError(f"{path}:{line}:1: expected an observation, observed: {wrong}{DAMAGED}") from error


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"{path}: expected a readable file, observed: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}:1: expected UTF-8, observed byte {error.object[error.start]:#04x}") from error


def _find_folder(name: str, root: Path) -> Path:
    ids = [folder.name for folder in _runs(root)]
    if name == LATEST:
        return _latest(root) or root / _unknown(name, root, ids)
    if name and (root / name).is_dir():
        return root / name
    matches = [run for run in ids if name and run.startswith(name)]
    if len(matches) == 1:
        return root / matches[0]
    if matches:
        raise UsageError(f"{name!r} begins the names of {len(matches)} runs: {', '.join(matches[:5])}; say more of it")
    return Path(name) if name and Path(name).is_dir() else root / _unknown(name, root, ids)


def _latest(root: Path) -> Path | None:
    """Where `latest` leads, as a path below `root`; else the newest run with a case in it."""
    link = root / LATEST
    if link.is_symlink() and (root / link.resolve().name).is_dir():
        return root / link.resolve().name
    return next((folder for folder in _runs(root) if any(folder.glob(f"*/{PLAN}"))), None)


def _unknown(name: str, root: Path, ids: list[str]) -> str:
    others = [path.name for path in root.glob("[!.]*/") if path.name != LATEST]
    if not others:
        raise UsageError(f"expected a run, observed none in {root}{os.sep}: make one with lab run")
    near = difflib.get_close_matches(name, [LATEST, *ids, *others], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the last ones are {', '.join((ids or others)[:5])}"
    raise UsageError(f"expected the name or the path of a run, observed {name!r}; {hint}")


def _age(folder: Path) -> tuple[int, list[int | str]]:
    """When the case was saved; copies may have lost the time, then the names count, `.2` before `.10`."""
    parts = re.split(r"(\d+)", folder.name)
    return (folder / PLAN).stat().st_mtime_ns, [int(part) if part.isdigit() else part for part in parts]


def _runs(root: Path) -> list[Path]:
    """The runs, newest first: folders (no links) that are named like one."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = [path for path in root.iterdir() if ID.fullmatch(path.name)]
        return sorted((path for path in found if path.is_dir() and not path.is_symlink()), reverse=True)
    return []


def _drop_old(current: Path) -> None:
    """All but the newest runs go, save this one (a clock may have been set back) and those that are being written."""
    root = current.parent
    for folder in _runs(root)[KEPT:]:
        if folder != current and not _held(folder):
            # Renamed first: whoever looks sees a run that is whole, or none.
            with contextlib.suppress(OSError):
                folder.rename(folder.with_name(f".dropped-{folder.name}"))
    for gone in root.glob(".dropped-*"):
        if ID.fullmatch(gone.name.removeprefix(".dropped-")) and not gone.is_symlink():
            shutil.rmtree(gone, ignore_errors=True)


def _held(folder: Path) -> bool:
    """Whether a living process writes the run; if that cannot be told, it may be one."""
    try:
        with (folder / OPEN).open("rb+") as marker:
            _lock(marker)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _lock(file: IO[bytes]) -> None:
    """Hold the file as long as it is open; OSError where somebody holds it, or nobody can."""
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _settle(partial: Path, name: str) -> Path:
    """Give the folder its name, or the next that is free: no other process or thread gets the same."""
    name = re.sub(r"[^\w.-]", "-", name)[-60:].strip(".") or "case"
    number, folder = 1, partial.with_name(name)
    while True:
        if not folder.exists():
            try:
                return partial.rename(folder)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        number += 1
        folder = partial.with_name(f"{name}.{number}")


def _point_latest(folder: Path) -> None:
    """`latest` leads to this run; where that cannot be, it leads nowhere and the newest run is the latest."""
    link = folder.parent / LATEST
    if link.exists() and not link.is_symlink():
        return
    new = folder.parent / f".{LATEST}-{os.urandom(4).hex()}"
    try:
        new.symlink_to(folder.name, target_is_directory=True)
        new.replace(link)
    except (OSError, NotImplementedError):
        for path in (new, link):
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "no space is left there; free some" if full else f"{error.strerror or error}; make it writable"
        raise LabError(f"cannot save the run in {folder}: {what}, or set LAB_RUNS to another folder") from error
