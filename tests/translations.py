"""What there is to be translated, of the tool and of each scenario, and the .po files brought up to date with it.

`python -m tests.translations` (a part of `make goldens`) adds what is missing, empty, for a translator to fill, and
drops what is said no more. Whether the translations are complete is for tests/unit/test_translations.py to say.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import polib
from jinja2.ext import extract_from_ast

import lab
from lab.guide import FILE, claims
from lab.i18n import FOLDER, LANGUAGES
from lab.library import SCENARIOS, shipped
from lab.report.html import TEMPLATES, _templates
from lab.source import read
from lab.translation import texts

ROOT = Path(lab.__file__).parent
FOREIGN = tuple(language for language in LANGUAGES if language != "en")
MARKS = {"_": 1, "later": 1, "counted": 2}
WIDTH = 110
PLURALS = {
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
}
Message = tuple[str, str]  # what is said, and of many ("": there is one form)


def files() -> dict[Path, dict[Message, list[str]]]:
    """Every .po file that should be there, with its messages and the places where the tool says them."""
    said: dict[Path, dict[Message, list[str]]] = {}
    for language in FOREIGN:
        said[FOLDER / f"{language}.po"] = told_by_tool()
        for path in shipped():
            messages: dict[Message, list[str]] = {(text, ""): [] for _, text in texts(read(path).value)}
            said[path.with_suffix(f".{language}.po")] = messages
    return said


def strays() -> list[Path]:
    """The .po files that belong to nothing."""
    return sorted({*FOLDER.glob("*.po"), *SCENARIOS.glob("*.po")} - set(files()))


def told_by_tool() -> dict[Message, list[str]]:
    """All that the modules and templates say, and the guide's claims."""
    found: dict[Message, list[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        for message in in_module(path.read_text("utf-8")):
            found.setdefault(message, []).append(path.relative_to(ROOT.parent).as_posix())
    for path in sorted(TEMPLATES.glob("*.html")):
        for message in in_template(path.read_text("utf-8")):
            found.setdefault(message, []).append(path.relative_to(ROOT.parent).as_posix())
    for claim in claims().values():
        found.setdefault((claim, ""), []).append(FILE.relative_to(ROOT.parent).as_posix())
    return {message: list(dict.fromkeys(places)) for message, places in found.items()}


def in_module(text: str) -> Iterator[Message]:
    """The messages of a module; ValueError for one that cannot be found like this, since it is put together."""
    tree = ast.parse(text)
    marks = {name.name for node in tree.body if _is_import(node) for name in node.names} & MARKS.keys()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name not in marks:
            continue
        forms = call.args[: MARKS[name]]
        plain = [form.value for form in forms if isinstance(form, ast.Constant) and isinstance(form.value, str)]
        if len(plain) == MARKS[name]:
            yield plain[0], plain[1] if len(plain) > 1 else ""
        elif name != "_" or isinstance(forms[0], ast.JoinedStr | ast.BinOp):  # what `later` marked may come by a name
            raise ValueError(f"line {call.lineno}: expected words as they are, observed {ast.unparse(call)}")


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "lab.i18n"


def in_template(text: str) -> Iterator[Message]:
    """The messages of a template."""
    for _, name, found in extract_from_ast(_templates().parse(text), tuple(MARKS)):
        forms = [form for form in (found if isinstance(found, tuple) else (found,)) if form is not None]
        if forms:
            yield forms[0], forms[1] if name == "counted" else ""


def brought_up(path: Path, messages: Mapping[Message, list[str]]) -> str:
    """The file's text with just these messages, each with its translation as far as it is there."""
    language = path.suffixes[-2].strip(".") if len(path.suffixes) > 1 else path.stem
    known = polib.pofile(str(path), encoding="utf-8", wrapwidth=WIDTH) if path.is_file() else polib.POFile()
    entries = {(entry.msgid, entry.msgid_plural): entry for entry in known}
    made = polib.POFile(wrapwidth=WIDTH)
    made.metadata = {"Language": language, "Content-Type": "text/plain; charset=UTF-8"}
    made.metadata |= {"Content-Transfer-Encoding": "8bit"}
    if any(many for _, many in messages):
        made.metadata["Plural-Forms"] = PLURALS[language]
    for (one, many), places in messages.items():
        entry = entries.get((one, many)) or polib.POEntry(msgid=one, msgid_plural=many)
        if many and not entry.msgstr_plural:
            entry.msgstr_plural = dict.fromkeys(range(3), "")
        entry.occurrences = [(place, "") for place in places]
        made.append(entry)
    return str(made).removeprefix("#\n").rstrip("\n") + "\n"


def main() -> None:
    """Bring every file up to date, and say what is left to be translated."""
    for path, messages in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(brought_up(path, messages), "utf-8")
        if left := len(polib.pofile(str(path), encoding="utf-8").untranslated_entries()):
            print(f"{path}: {left} to be translated")
    for path in strays():
        path.unlink()


if __name__ == "__main__":
    main()
