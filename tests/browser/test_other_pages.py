"""What only a browser knows of a proof's page and of a difference's: that they are read as easily as a report."""

import base64
import re
from pathlib import Path

import pytest
from chromium import DESKTOP, PHONE, SMALLEST, Browser
from selenium.webdriver.support.wait import WebDriverWait

CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")
SMALL = """
return [...document.querySelectorAll('p, li, td, th, dd, dt, summary')]
  .filter(e => parseFloat(getComputedStyle(e).fontSize) < 17).map(e => e.outerHTML.slice(0, 60))
"""
OUTSIDE = """
return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll')
  && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))
"""
LEGEND, MATRIX = "[aria-labelledby=legend]", "table.matrix"


@pytest.fixture(params=["proof_page", "difference_page"])
def either(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_it_asks_nobody_complains_of_nothing_and_is_read_from_the_back_row(browser: Browser, either: str) -> None:
    browser.open(either)
    assert browser.requests() == [either]
    assert browser.complaints() == []
    assert browser.ask(SMALL) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALLEST], ids=lambda size: str(size[0]))
def test_the_page_never_scrolls_sideways(browser: Browser, either: str, size: tuple[int, int]) -> None:
    browser.open(either, size)
    browser.ask("document.querySelectorAll('details').forEach(item => item.open = true)")
    assert browser.ask("return document.documentElement.scrollWidth") == size[0]
    assert browser.ask(OUTSIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_at_least_seven(browser: Browser, either: str, scheme: str) -> None:
    browser.open(either, prefers_color_scheme=scheme)
    found = browser.ask(CONTRAST, 7)
    assert found["count"] > 50
    assert found["wrong"] == []


def test_the_legend_has_every_sign_of_the_matrix(browser: Browser, proof_page: str) -> None:
    browser.open(proof_page)
    told = {each.text for each in browser.all(f"{LEGEND} dl:first-of-type dt")}
    assert all(each.is_displayed() for each in browser.all(f"{LEGEND} dt, {LEGEND} dd"))
    used = {each.text for each in browser.all(f"{MATRIX} td strong")}
    assert len(used) > 4 and used <= told
    changes = {each.text for each in browser.all(f"{LEGEND} dl:last-of-type dt")}
    heads = [each.text for each in browser.all(f"{MATRIX} thead tr:last-child th")]
    assert len(heads) > 12 and set(heads[-len(changes) :]) == changes


def test_a_survivor_is_told_by_more_than_a_colour(browser: Browser, proof_page: str) -> None:
    browser.open(proof_page)
    survivor, quiet = (browser.find(f"{MATRIX} strong.{tone}") for tone in ("fail", "quiet"))
    assert survivor.text == "✗ survived"
    assert browser.style(survivor, "color") != browser.style(quiet, "color")
    assert int(browser.style(survivor, "font-weight")) > int(browser.style(quiet, "font-weight"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: str(size[0]))
def test_the_keyboard_reaches_the_end_of_a_wide_matrix(
    browser: Browser, proof_page: str, size: tuple[int, int]
) -> None:
    browser.open(proof_page, size)
    browser.ask("arguments[0].scrollIntoView()", browser.find(MATRIX))
    assert browser.ask("const s = document.querySelector('.scroll'); return s.scrollWidth > s.clientWidth")
    browser.ask("const s = document.querySelector('.scroll'); s.focus(); s.scrollLeft = 0")
    last = browser.all(f"{MATRIX} thead tr:last-child th")[-1]
    right = "return arguments[0].getBoundingClientRect().right"
    assert browser.ask(right, last) > size[0]
    browser.keys(*["ARROW_RIGHT"] * 100)
    WebDriverWait(browser.driver, 10).until(lambda driver: driver.execute_script(right, last) <= size[0])


def test_on_paper_the_matrix_is_not_cut(browser: Browser, proof_page: str) -> None:
    browser.open(proof_page, (1030, 720), media="print")
    assert browser.ask("return document.querySelector('table.matrix').getBoundingClientRect().right") <= 1030
    paper = base64.b64decode(browser.driver.print_page())
    assert paper.startswith(b"%PDF") and 1 < len(re.findall(rb"/Type\s*/Page\b", paper)) < 10
