"""An HTML page -> what it is made of: an outline for goldens, and the ids, links and texts for facts about it."""

import re
from html.parser import HTMLParser

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
VOID = ("meta", "link", "br", "img", "input", "hr")
TOLD = (*HEADINGS, "summary", "caption", "th", "title", "figcaption")


class Page(HTMLParser):
    """Walks the page once; fails where elements are not properly nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self._told: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag not in VOID:
            self._open.append(tag)
        if tag in TOLD:
            self._told.append((tag, []))
        elif tag == "a" and "event" in found.get("class", ""):
            self._line(f"{found['class']} #{found['id']}: {found['aria-label']}")
        elif tag == "a":
            self._line(f"link {found['href']}")
        elif tag in ("section", "article", "nav", "table", "svg", "details", "aside", "pre"):
            self._line(" ".join([tag, *(f"{key}={found[key]}" for key in ("role", "class", "id") if key in found)]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> within {self._open[-3:]}"
        self._open.pop()
        if self._told and self._told[-1][0] == tag:
            words = " ".join("".join(self._told.pop()[1]).split())
            if tag in HEADINGS:
                self.headings.append((int(tag[1]), words))
            self._line(f"{tag}: {words}")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.texts.append(data)
            for _, words in self._told[-1:]:
                words.append(data)

    def _line(self, words: str) -> None:
        self.lines.append(
            "  " * len([tag for tag in self._open if tag in ("section", "article", "table", "svg")]) + words
        )

    @property
    def outline(self) -> str:
        """One line for each heading, table, diagram, event and link, in order, indented by what they are in."""
        return "\n".join(self.lines) + "\n"

    def values(self, name: str) -> list[str]:
        """Those of an attribute, wherever it is."""
        return [found[name] for _, found in self.elements if name in found]

    def count(self, tag: str) -> int:
        """How many elements of a kind there are."""
        return sum(each == tag for each, _ in self.elements)


def drawings(text: str) -> list[str]:
    """The SVG elements' sources."""
    return re.findall(r"<svg.*?</svg>", text, re.DOTALL)
