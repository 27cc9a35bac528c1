"""YAML text -> plain values, each with its place.

YAML 1.2's core scalars and nothing else: `22:22`, `no`, `010` and dates stay text, keys are always text. What makes
YAML dangerous or ambiguous is refused: duplicate keys, anchors and aliases, tags, deep nesting, large files. What the
values mean is for `model` and `scenario` to say.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, field

from lab.errors import Mark, Problem, ScenarioError, UsageError

MAX_BYTES = 1_000_000
MAX_DEPTH = 50

Path_ = tuple[str | int, ...]

_SCALARS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"-?(0|[1-9][0-9]{0,18})"), int),
    (re.compile(r"0x[0-9a-fA-F]{1,16}"), lambda text: int(text, 16)),
    (re.compile(r"-?(0|[1-9][0-9]{0,18})\.[0-9]{1,18}([eE][-+]?[0-9]{1,2})?"), float),
)
# YAML's own set, but for the byte order mark and the line ends that only YAML knows.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Source(Struct, frozen=True):
    """A file's plain value and the places of its parts, by their paths (`("steps", 2, "host")`); `keys` are the places
    of the mappings' keys themselves."""

    file: str
    value: Any
    marks: Mapping[Path_, Mark]
    keys: Mapping[Path_, Mark] = field(default_factory=dict)

    def mark(self, path: Path_) -> Mark:
        """The place of the part, or of the nearest part around it."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, Mark(self.file, 1, 1))

    def key(self, path: Path_) -> Mark:
        """The place of the key under which the part stands."""
        return self.keys.get(path) or self.mark(path)


def read(path: Path) -> Source:
    """The source in a file; UsageError where it cannot be read, ScenarioError where it is not such YAML."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse(data, str(path))


def parse(data: bytes, file: str) -> Source:
    """The source in these bytes; every problem is raised at once."""
    text = _text(data, file)
    try:
        _refuse_extras(text, file)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _yaml_problem(text, file, error) from error
    except yaml.YAMLError as error:
        raise _problem(file, f"expected YAML, observed: {' '.join(str(error).split())}") from error
    if node is None:
        raise _problem(file, "expected a scenario (title, networks, hosts, cases, steps), observed an empty file")
    builder = _Builder(file)
    value = builder.build(node, ())
    if builder.problems:
        raise ScenarioError(builder.problems)
    return Source(file, value, builder.marks, builder.keys)


def _text(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _problem(file, f"expected a file of at most {MAX_BYTES:,} bytes, observed more; is it a scenario?")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise _problem(file, f"expected UTF-8 text, observed the byte 0x{data[error.start]:02x}", before) from error
    if wrong := _UNPRINTABLE.search(text):
        before = text[: wrong.start()]
        raise _problem(file, f"expected text, observed the character U+{ord(wrong[0]):04X}; leave it out", before)
    return text


def _refuse_extras(text: str, file: str) -> None:
    """Stop, before a tree is built, at what it must not hold: depth (the composer recurses), anchors, aliases, tags,
    and a second document."""
    depth = documents = 0
    problems = []
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if refused := _refused(event, depth, documents):
            start: Any = event.start_mark
            problems.append(Problem(Mark(file, start.line + 1, start.column + 1), refused))
        if depth > MAX_DEPTH or documents > 1:
            break
    if problems:
        raise ScenarioError(problems)


def _refused(event: yaml.Event, depth: int, documents: int) -> str:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "expected plain YAML, observed an anchor or alias (& or *); write the value out, or quote the text"
    if tag := getattr(event, "tag", None):
        return f"expected plain YAML, observed the tag {tag}; leave it out, or quote the text"
    if depth > MAX_DEPTH:
        return f"expected at most {MAX_DEPTH} levels of nesting, observed more"
    return "expected one document, observed a second (---); give each scenario a file" if documents > 1 else ""


def _problem(file: str, message: str, before: str = "") -> ScenarioError:
    """A problem at the end of the text that stands before it."""
    lines = re.split("\r\n|\r|\n", before)
    return ScenarioError([Problem(Mark(file, len(lines), len(lines[-1]) + 1), message)])


def _yaml_problem(text: str, file: str, error: yaml.MarkedYAMLError) -> ScenarioError:
    found: Any = error.problem_mark or error.context_mark
    mark = Mark(file, found.line + 1, found.column + 1) if found else Mark(file, 1, 1)
    lines = re.split("\r\n|\r|\n", text)
    if (lines[mark.line - 1][mark.column - 1 :] if mark.line <= len(lines) else "").startswith("\t"):
        return ScenarioError([Problem(mark, "expected spaces, observed a tab; YAML is indented with spaces")])
    words = " ".join(part for part in (error.context, error.problem) if part)
    hint = "; is there a text to quote, or a bracket or quote to close?"
    return ScenarioError([Problem(mark, f"expected YAML, observed: {words}{hint}")])


class _Builder:
    """Plain values out of YAML nodes, with their marks and all problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[Path_, Mark] = {}
        self.keys: dict[Path_, Mark] = {}
        self.problems: list[Problem] = []

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.marks[path] = self._mark(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return str(node.value) if getattr(node, "style", None) else plain_scalar(str(node.value))

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key, item in self._keys(node):
            name, where = str(key.value), (*path, str(key.value))
            if name in value:
                first = self.keys[where].line
                self._problem(key, f"expected each key once, observed {name!r} again (first in line {first})")
            value[name] = self.build(item, where)
            self.keys[where] = self._mark(key)
            if not isinstance(item, yaml.ScalarNode):
                self.marks[where] = self.keys[where]
        return value

    def _keys(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problem(
                    key,
                    'expected a key of text, observed a mapping or list; a {name} in braces must be quoted: "{name}"',
                )
            elif key.value == "<<" and not key.style:
                self._problem(key, "expected plain YAML, observed a merge key (<<); write the keys out")
            else:
                yield key, item

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self._mark(node), message))


def plain_scalar(text: str) -> bool | int | float | str | None:
    """What an unquoted scalar is in YAML 1.2's core schema, without octals and infinities."""
    for form, meaning in _SCALARS:
        if form.fullmatch(text):
            value: bool | int | float | str | None = meaning(text)
            return value
    return text
