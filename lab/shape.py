"""A plain value -> a noun of the model, or all that does not fit, each in words: `expected X, observed Y`.

A noun's types say what fits; msgspec, which reads them, stops at the first misfit. Two notes in a type's `extra` are
told apart here: `means` (or, of text alone, `reads`) is a function that raises ValueError where a value has no meaning;
`one` lets a single item stand for a list of one. Where a misfit stands in a file is for `mistakes` to say.
"""

import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Struct, inspect

from lab.errors import did_you_mean
from lab.model import FORMS, Model
from lab.source import Path_

Noun = TypeVar("Noun", bound=Model)


class Misfit(Struct, frozen=True):
    """What is wrong at a path of the value; where it is the key at the path's end, `key`."""

    path: Path_
    words: str
    key: bool = False


def fit(noun: type[Noun], value: Any) -> tuple[Noun | None, tuple[Misfit, ...]]:
    """The value as this noun; None and every misfit where it is not one."""
    fitter = _Fitter()
    found = fitter.fit(_type(noun), value, ())
    return (None if fitter.misfits else found), tuple(fitter.misfits)


def made(noun: type[Noun], value: Any) -> Noun:
    """The value as this noun; ValueError where it is not one."""
    found, misfits = fit(noun, value)
    if found is None:
        place = ".".join(map(str, misfits[0].path))
        raise ValueError(f"{place}: {misfits[0].words}" if place else misfits[0].words)
    return found


@functools.cache
def _type(noun: type[Model]) -> inspect.Type:
    return inspect.type_info(noun)


class _Fitter:
    """Goes through a value, and collects what does not fit; what it then returns is of no use."""

    def __init__(self) -> None:
        self.misfits: list[Misfit] = []

    def fit(self, kind: inspect.Type, value: Any, path: Path_) -> Any:
        match kind:
            case inspect.Metadata():
                return self._noted(kind, value, path)
            case inspect.UnionType():
                return self._either(kind, value, path)
            case _ if not _takes(kind, value):
                self._expected(_words(kind), value, path, _literals(kind))
            case inspect.StructType():
                return self._noun(kind, value, path)
            case inspect.DictType():
                self._size(kind, value, path)
                return {
                    self._key(kind.key_type, key, (*path, key)): self._item(kind.value_type, item, (*path, key))
                    for key, item in value.items()
                }
            case inspect.VarTupleType():
                self._size(kind, value, path)
                return tuple(self.fit(kind.item_type, item, (*path, index)) for index, item in enumerate(value))
            case inspect.StrType():
                self._text(kind, value, path)
            case inspect.IntType():
                self._number(kind, value, path)
            case inspect.LiteralType() if value not in kind.values:
                self._expected(_words(kind), value, path, _literals(kind))
        return value

    def _noted(self, kind: inspect.Metadata, value: Any, path: Path_) -> Any:
        extra = kind.extra or {}
        if "one" in extra and not isinstance(value, list | tuple):
            value = [value]
        if "means" in extra and not self._has_meaning(extra["means"], value, path):
            return None
        before = len(self.misfits)
        made = self.fit(kind.type, value, path)
        if "reads" in extra and len(self.misfits) == before:
            self._has_meaning(extra["reads"], value, path)
        return made

    def _has_meaning(self, meaning: Any, value: Any, path: Path_) -> bool:
        try:
            meaning(value)
        except ValueError as error:
            said = str(error)
            if not isinstance(value, str):
                said = f"{said.partition(', obs')[0]}, observed {_shown(value)}{_quote_it(value)}"
            self._tell(path, said)
            return False
        return True

    def _either(self, kind: inspect.UnionType, value: Any, path: Path_) -> Any:
        """By the branch that takes such a value."""
        branches = _branches(kind)
        if len(branches) == 1:
            return self.fit(branches[0], value, path)
        for branch in branches:
            if _takes(branch, value):
                return self.fit(branch, value, path)
        self._expected(" or ".join(map(_words, branches)), value, path, [w for b in branches for w in _literals(b)])
        return None

    def _noun(self, kind: inspect.StructType, value: Mapping[str, Any], path: Path_) -> Any:
        found = {}
        for field in kind.fields:
            name = field.encode_name
            if value.get(name, ...) is None and field.default is None:
                words = f"expected what {name} shall be, observed nothing; leave the key out"
                self._tell((*path, name), words)
            elif name in value:
                found[field.name] = self.fit(field.type, value[name], (*path, name))
            elif field.required:
                self._tell((*path, name), f"expected the key {name!r}, observed none", key=True)
        known = {field.encode_name for field in kind.fields}
        for name in (name for name in value if name not in known):
            self._tell((*path, name), f"unknown key {name!r}{_meant(str(name), known)}", key=True)
        return None if self.misfits else kind.cls(**found)

    def _item(self, kind: inspect.Type, value: Any, path: Path_) -> Any:
        """Of a mapping: a key alone may be enough."""
        optional = isinstance(kind, inspect.UnionType) and len(_branches(kind)) < len(kind.types)
        return None if value is None and optional else self.fit(kind, value, path)

    def _key(self, kind: inspect.Type, value: Any, path: Path_) -> Any:
        before = len(self.misfits)
        made = self.fit(kind, value, path)
        self.misfits[before:] = [Misfit(misfit.path, misfit.words, key=True) for misfit in self.misfits[before:]]
        return made

    def _size(self, kind: Any, value: Any, path: Path_) -> None:
        if kind.min_length and not value:
            self._tell(path, "expected at least one, observed none")
        if kind.max_length and len(value) > kind.max_length:
            self._tell(path, f"expected at most {kind.max_length}, observed {len(value)}")

    def _text(self, kind: inspect.StrType, value: str, path: Path_) -> None:
        if kind.min_length and not value:
            self._tell(path, "expected text, observed none")
        if kind.pattern and not re.fullmatch(kind.pattern, value):
            self._expected(FORMS[kind.pattern], value, path)

    def _number(self, kind: inspect.IntType, value: int, path: Path_) -> None:
        if kind.ge is not None and value < kind.ge:
            self._expected(f"at least {kind.ge}", value, path)
        if kind.le is not None and value > kind.le:
            self._expected(f"at most {kind.le}", value, path)

    def _expected(self, words: str, value: Any, path: Path_, near: Iterable[str] = ()) -> None:
        self._tell(path, f"expected {words}, observed {_shown(value)}{_near(value, near) or _quote_it(value)}")

    def _tell(self, path: Path_, words: str, key: bool = False) -> None:
        self.misfits.append(Misfit(path, words, key))


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _branches(kind: inspect.UnionType) -> list[inspect.Type]:
    return [branch for branch in kind.types if not isinstance(branch, inspect.NoneType)]


def _takes(kind: inspect.Type, value: Any) -> bool:
    """Whether it is the type of such values, right or wrong."""
    if isinstance(kind, inspect.Metadata):
        inner = kind.type
        one = isinstance(inner, inspect.VarTupleType) and "one" in (kind.extra or {}) and _takes(inner.item_type, value)
        return one or _takes(inner, value)
    match kind:
        case inspect.UnionType():
            return any(_takes(branch, value) for branch in _branches(kind))
        case inspect.AnyType():
            return True
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.VarTupleType():
            return isinstance(value, list | tuple)
    return isinstance(value, _PYTHON[type(kind)])


_PYTHON: Mapping[type[inspect.Type], type] = {
    inspect.StrType: str,
    inspect.LiteralType: str,
    inspect.BoolType: bool,
    inspect.DictType: dict,
    inspect.StructType: dict,
}
_WORDS: Mapping[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.BoolType: "true or false",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
    inspect.VarTupleType: "a list",
}


def _words(kind: inspect.Type) -> str:
    if literals := _literals(kind):
        return " or ".join(filter(None, (", ".join(literals[:-1]), literals[-1])))
    return _WORDS[type(_bare(kind))]


def _literals(kind: inspect.Type) -> list[str]:
    bare = _bare(kind)
    return list(map(str, bare.values)) if isinstance(bare, inspect.LiteralType) else []


def _near(value: Any, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(value), list(words), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else str(value)[:60]


def _quote_it(value: Any) -> str:
    """`{bind}` without quotes is a mapping to YAML."""
    if isinstance(value, dict) and len(value) == 1 and list(value.values()) == [None]:
        return f'; quote it: "{{{next(iter(value))}}}"'
    return ""


def _meant(key: str, known: Iterable[str]) -> str:
    if not re.fullmatch(r"[\w-]+", key):
        return "; is it a part of a text with a comma? quote that text"
    return did_you_mean(key, known)
