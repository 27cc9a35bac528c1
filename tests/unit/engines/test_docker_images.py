import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.engines.docker import images
from lab.engines.docker.client import Refused
from lab.errors import EngineError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "packages.txt").write_text("strace\n")
    (tmp_path / "programs/echo.py").write_text("print()\n")
    return tmp_path


class Engine:
    """Keeps tags in a set, and what was asked of it in a list."""

    def __init__(self, *tags: str, registry: bool = False) -> None:
        self.tags = set(tags)
        self.registry = registry
        self.asked: list[str] = []
        self.listed: list[dict[str, Any]] = []

    def has_image(self, tag: str) -> bool:
        return tag in self.tags

    def pull(self, tag: str, patience: float) -> None:
        self.asked.append("pull")
        if not self.registry:
            raise EngineError("nobody answers")

    def import_image(self, tar: Any, tag: str, changes: Any) -> None:
        self.asked.append(f"import {b''.join(tar).decode()}")
        self.tags.add(tag)

    def build(self, context: bytes, tag: str, arguments: dict[str, str], say: Any) -> None:
        self.asked.append(f"build on {arguments['BASE'].partition(':')[0]}")
        self.tags.add(tag)

    def images(self, label: str) -> list[dict[str, Any]]:
        return self.listed

    def remove_image(self, tag: str) -> None:
        self.asked.append(f"remove {tag}")
        if tag.endswith(":used"):
            raise Refused("remove", 409, "in use")


@pytest.fixture(autouse=True)
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "files", lambda: folder)
    monkeypatch.setattr(images, "_root_tar", lambda packages: iter([b"root of ", " ".join(packages).encode()]))
    monkeypatch.setattr(images, "_need_mmdebstrap", lambda say: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "programs/__pycache__"))


def test_the_digest_tells_contents_names_and_modes_apart_and_nothing_else(folder: Path) -> None:
    seen = {images.digest(folder)}
    (folder / "programs/echo.py").write_text("print(1)\n")
    seen.add(images.digest(folder))
    (folder / "programs/echo.py").rename(folder / "programs/other.py")
    seen.add(images.digest(folder))
    (folder / "programs/other.py").chmod(0o755)
    seen.add(images.digest(folder))
    assert len(seen) == 4
    (folder / "programs/__pycache__").mkdir(exist_ok=True)
    (folder / "programs/__pycache__/other.pyc").write_bytes(b"x")
    assert images.digest(folder) in seen


def test_programs_alone_do_not_change_the_base(folder: Path) -> None:
    before = images.digest(folder, "packages.txt", "Dockerfile")
    (folder / "programs/echo.py").write_text("print(1)\n")
    assert images.digest(folder, "packages.txt", "Dockerfile") == before
    (folder / "packages.txt").write_text("strace\nlsof\n")
    assert images.digest(folder, "packages.txt", "Dockerfile") != before


def test_an_image_that_is_there_is_not_built() -> None:
    engine = Engine(images.image_tag())
    assert images.ensure_image(engine, print) == images.image_tag()  # type: ignore[arg-type]
    assert engine.asked == []


def test_without_a_registry_the_base_is_made_of_packages_once(folder: Path) -> None:
    engine, said = Engine(), list[str]()
    images.ensure_image(engine, said.append)  # type: ignore[arg-type]
    assert engine.asked == ["pull", "import root of strace", "build on socket-lab/base"]
    assert any("nobody answers" in line for line in said)
    (folder / "programs/echo.py").write_text("print(1)\n")
    engine.asked.clear()
    images.ensure_image(engine, print)  # type: ignore[arg-type]
    assert engine.asked == ["build on socket-lab/base"]


def test_a_registry_is_preferred() -> None:
    engine = Engine(registry=True)
    images.ensure_image(engine, print)  # type: ignore[arg-type]
    assert engine.asked == ["pull", "build on debian"]


def test_the_oldest_images_of_ours_go_and_no_others() -> None:
    engine = Engine(images.REGISTRY_BASE)
    tags = ["socket-lab/host:1", "socket-lab/host:2", "socket-lab/host:3", "socket-lab/host:4", "socket-lab/host:used"]
    engine.listed = [{"Created": -age, "RepoTags": [tag, "mine:1"]} for age, tag in enumerate(tags)]
    engine.listed.append({"Created": -9, "RepoTags": None})
    images.ensure_image(engine, print)  # type: ignore[arg-type]
    assert engine.asked[1:] == ["remove socket-lab/host:4", "remove socket-lab/host:used"]


def test_the_context_is_the_same_wherever_it_is_packed(folder: Path) -> None:
    packed = images._context(folder)
    (folder / "Dockerfile").touch()
    assert images._context(folder) == packed
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["Dockerfile", "packages.txt", "programs/echo.py"]


def test_where_nothing_can_be_built_the_message_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found: dict[str, str | None] = {"mmdebstrap": None, "apt-get": None}
    monkeypatch.setattr(images.shutil, "which", found.get)
    with pytest.raises(EngineError, match="`docker pull debian:bookworm-slim`"):
        images._need_mmdebstrap(print)
    found["apt-get"] = "/usr/bin/apt-get"
    monkeypatch.setattr(images.os, "geteuid", lambda: 1000, raising=False)
    with pytest.raises(EngineError, match="type `sudo apt-get install -y --no-install-recommends mmdebstrap`"):
        images._need_mmdebstrap(print)
    found["mmdebstrap"] = "/usr/bin/mmdebstrap"
    images._need_mmdebstrap(print)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get to be written, for somebody who is root where there is no mmdebstrap."""
    monkeypatch.undo()
    program = tmp_path / "apt-get"
    program.touch(0o755)
    which = shutil.which
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(images.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(images.shutil, "which", lambda name: which(name, path=str(tmp_path)))
    return program


def test_a_bare_debian_without_lists_of_packages_gets_them(apt: Path) -> None:
    apt.write_text("""#!/bin/sh
case "$1" in
update) : > "$0.lists" ;;
install) [ -e "$0.lists" ] && cp "$0" "${0%apt-get}mmdebstrap" ;;
esac
""")
    said: list[str] = []
    images._need_mmdebstrap(said.append)
    install = "apt-get install -y --no-install-recommends mmdebstrap"
    assert said == [install, "apt-get update", install]


def test_packages_that_cannot_be_had_are_an_error_in_apts_words(apt: Path) -> None:
    apt.write_text("#!/bin/sh\necho E: no network >&2; exit 100\n")
    with pytest.raises(EngineError, match="after `apt-get update` too: E: no network"):
        images._need_mmdebstrap(print)


def test_a_root_that_cannot_be_made_is_an_error_with_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(images, "_mmdebstrap", lambda packages: ["sh", "-c", "echo E: no such suite >&2; exit 3"])
    with pytest.raises(EngineError, match="mmdebstrap failed: E: no such suite"):
        list(images._root_tar(["strace"]))
    monkeypatch.setattr(images, "_mmdebstrap", lambda packages: ["printf", packages[0]])
    assert b"".join(images._root_tar(["strace"])) == b"strace"
