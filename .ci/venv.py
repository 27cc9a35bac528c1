"""Make .venv what requirements.lock and pyproject.toml say, and do nothing where it is that already.

Standard library only, and old Pythons can read it, for it has to tell them that they are too old. Many may ask at the
same time: one works, the others wait. What was interrupted is begun again: .venv/ready is written last.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
READY = VENV / "ready"
PYTHON = VENV / "bin/python"
OLDEST = (3, 11)


def say(text: str) -> None:
    """Tell what happens; standard output is for what was asked for."""
    print(f"== {text}", file=sys.stderr, flush=True)


def unfit() -> str:
    """Why this Python will not do; empty where it will."""
    if sys.version_info < OLDEST:
        seen = ".".join(map(str, sys.version_info[:3]))
        return f"expected Python 3.11 or newer, observed {seen} at {sys.executable}; name another with PYTHON=..."
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as missing:
        return f"expected Python's own venv and ensurepip, observed: {missing}; on Debian, apt-get install python3-venv"
    return ""


def wanted() -> str:
    """All that .venv depends on: the packages, the project's own settings, this place and this Python."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    ours = (settings["build-system"], settings["project"])
    return repr((packages, ours, str(ROOT), os.path.realpath(sys.executable), sys.version)) + "\n"


def is_ready(expected: str) -> bool:
    """Whether .venv was made of exactly that, to the end, and its Python is still there."""
    try:
        return READY.read_text("utf-8") == expected and PYTHON.exists()
    except OSError:
        return False


@contextlib.contextmanager
def alone() -> "Iterator[None]":
    """One at a time, where there are file locks; a lock ends with its process, however that ends."""
    with LOCK.open() as held:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another make, which sets up .venv")
                fcntl.flock(held, fcntl.LOCK_EX)
        yield


def set_up(expected: str) -> str:
    """Make .venv anew; the reason where that failed, or nothing."""
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    say("setting up .venv: once, and again when the locked packages change")
    if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        return "the virtual environment could not be made; the reason is above"
    say("installing the packages of requirements.lock, their hashes checked")
    if subprocess.call([*pip, "--require-hashes", "-r", str(LOCK)]):
        return "the packages could not be installed; pip says why, above: is there a network, and a package index?"
    say("installing the lab itself, from here")
    if subprocess.call([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)]):
        return "the lab itself could not be installed; pip says why, above"
    READY.write_text(expected, "utf-8")
    say(".venv is ready")
    return ""


def main() -> str:
    """The reason why there is no .venv, or nothing."""
    reason = unfit()
    if reason:
        return reason
    expected = wanted()
    if is_ready(expected):
        return ""
    with alone():
        return "" if is_ready(expected) else set_up(expected)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        failed = main()
    except KeyboardInterrupt:
        failed = "interrupted; the next make sets up .venv from its beginning"
    if failed:
        print(failed, file=sys.stderr)
        sys.exit(2)
