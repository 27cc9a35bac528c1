"""The image that hosts are made of: built here, when it is not there, out of images/host.

Its tag is the digest of those files, so that a changed program never meets an old image. The root file system comes
from a registry or, where none answers, from Debian's packages through mmdebstrap; then the same Dockerfile is built.
"""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import lab
from lab.engines.docker.client import Client, Refused
from lab.errors import EngineError

Say = Callable[[str], None]

LABEL = "socket-lab.image"
REPOSITORY = "socket-lab/host"
BASE_REPOSITORY = "socket-lab/base"
REGISTRY_BASE = "debian:bookworm-slim"
SUITE = "bookworm"
PULL_PATIENCE = 5.0
KEPT_IMAGES = 3
INSTALL_MMDEBSTRAP = ("apt-get", "install", "-y", "--no-install-recommends", "mmdebstrap")
UPDATE_LISTS = ("apt-get", "update")  # a bare Debian comes without lists of packages
# What a host never reads; the compiled standard library stays, for the agent starts with it.
UNREAD = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/share/zoneinfo/*",
    "/usr/lib/*/gconv/*",
    "/usr/lib/python3*/pydoc_data/*",
)
# Debian merges /usr with a Perl program that brings all of Perl, and nothing needs it afterwards.
PURGE = (
    "dpkg --purge --force-depends usrmerge"
    ' $(dpkg-query --show perl "perl-modules-*" "libperl5*" "lib*-perl" | cut -f1) > /dev/null 2>&1'
)


def files() -> Path:
    """The folder of the Dockerfile: beside the package in a checkout, within it where it was installed."""
    package = Path(lab.__file__).parent
    for folder in (package.parent / "images/host", package / "images/host"):
        if folder.is_dir():
            return folder
    raise EngineError(f"expected images/host beside {package} or in it, observed neither; install the lab again")


def digest(folder: Path, *only: str) -> str:
    """Twelve digits over the names, modes and contents of a folder's files (or of some of them)."""
    found = hashlib.sha256()
    for path in _paths(folder, *only):
        executable = path.stat().st_mode & 0o100
        found.update(f"{path.relative_to(folder).as_posix()}\0{executable}\0{path.stat().st_size}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def image_tag() -> str:
    """The image that belongs to the files as they are now."""
    return f"{REPOSITORY}:{digest(files())}"


def ensure_image(client: Client, say: Say) -> str:
    """The image's tag; built first where the engine does not have it, and told line by line."""
    tag = image_tag()
    if client.has_image(tag):
        return tag
    with _alone(say):
        if client.has_image(tag):
            return tag
        say(f"building {tag}")
        client.build(_context(files()), tag, {"BASE": _base(client, say)}, say)
    _remove_older(client, tag)
    return tag


def _base(client: Client, say: Say) -> str:
    """The image to build on, with a root file system in it."""
    tag = f"{BASE_REPOSITORY}:{digest(files(), 'packages.txt', 'Dockerfile')}"
    for there in (tag, REGISTRY_BASE):
        if client.has_image(there):
            return there
    try:
        client.pull(REGISTRY_BASE, PULL_PATIENCE)
    except EngineError as error:
        say(f"no registry: {error}")
    else:
        say(f"the base is {REGISTRY_BASE}, from the registry")
        return REGISTRY_BASE
    _need_mmdebstrap(say)
    say(f"the base is {tag}, from Debian's packages (half a minute)")
    client.import_image(_root_tar((files() / "packages.txt").read_text().split()), tag, [f"LABEL {LABEL}=base"])
    return tag


def _need_mmdebstrap(say: Say) -> None:
    if shutil.which("mmdebstrap"):
        return
    command = " ".join(INSTALL_MMDEBSTRAP)
    if not shutil.which("apt-get"):
        raise EngineError(
            f"no registry answers and there is no mmdebstrap to build without one; `docker pull {REGISTRY_BASE}`"
            " where there is a network, or load the image from another machine (`docker save`, `docker load`)"
        )
    if getattr(os, "geteuid", lambda: 1)() != 0:
        raise EngineError(f"no registry answers; to build the image without one, type `sudo {command}`")
    for typed in (INSTALL_MMDEBSTRAP, UPDATE_LISTS, INSTALL_MMDEBSTRAP):
        say(" ".join(typed))
        done = subprocess.run(typed, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if shutil.which("mmdebstrap"):
            return
    raise EngineError(f"`{command}` failed, after `apt-get update` too: {_last_line(done.stderr or done.stdout)}")


def _mmdebstrap(packages: Iterable[str]) -> list[str]:
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=essential",
        f"--include={','.join(packages)}",
        *(f"--dpkgopt=path-exclude={path}" for path in UNREAD),
        f"--customize-hook=chroot \"$1\" sh -c '{PURGE}'",
        # What mmdebstrap copies of this machine (its name, its resolver), and what nobody reads again.
        '--customize-hook=rm -rf "$1"/etc/hosts "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/var/log/*'
        ' "$1"/var/cache/debconf/*-old "$1"/etc/machine-id',
        SUITE,
        "-",
    ]


def _root_tar(packages: Iterable[str]) -> Iterator[bytes]:
    """The root file system as it is made; EngineError in the middle where it cannot be made."""
    with tempfile.TemporaryFile() as complaints:
        command = _mmdebstrap(packages)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            assert process.stdout is not None
            while piece := process.stdout.read(1 << 20):
                yield piece
        if process.returncode:
            complaints.seek(0)
            raise EngineError(f"mmdebstrap failed: {_last_line(complaints.read().decode(errors='replace'))}")


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["it did not say why"])[-1]


def _context(folder: Path) -> bytes:
    """The folder as the builder wants it: a tar, the same one everywhere."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in _paths(folder):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
    return packed.getvalue()


def _paths(folder: Path, *only: str) -> list[Path]:
    """The folder's files in one order everywhere, without what Python leaves beside them."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path for path in found if not only or path.relative_to(folder).as_posix() in only]


@contextlib.contextmanager
def _alone(say: Say) -> Iterator[None]:
    """One build at a time for this user, where there are file locks; two at once would only be slower."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "socket-lab"
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            cache.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context((cache / "image.lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another lab that builds the image")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_older(client: Client, tag: str) -> None:
    """Our oldest images go, unless something is made of them; another checkout may need the newest few."""
    images = sorted(client.images(f"{LABEL}=host"), key=lambda image: int(image["Created"]), reverse=True)
    tags = [old for image in images for old in image.get("RepoTags") or () if old.startswith(f"{REPOSITORY}:")]
    for old in [old for old in tags if old != tag][KEPT_IMAGES:]:
        with contextlib.suppress(Refused):
            client.remove_image(old)
