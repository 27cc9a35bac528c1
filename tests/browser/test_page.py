"""What a class, a keyboard, a phone and a printer get of the page: facts that only a browser knows."""

import base64
import re
from pathlib import Path

import pytest
from chromium import DESKTOP, PHONE, SMALLEST, Browser

CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")
PACKET = "#c2-diagram ~ .sequence a.packet"
CARDS = "#c2-diagram ~ .sequence .card"


def pixels(text: str) -> float:
    return float(text.removesuffix("px"))


def test_it_asks_nobody_and_complains_of_nothing(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.keys("j")
    assert browser.requests() == [page]
    assert browser.complaints() == []


def test_the_policy_is_in_force(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.ask("const s = document.createElement('script'); s.textContent = 'window.bad = 1'; document.body.append(s)")
    browser.ask("const i = document.createElement('img'); i.src = 'file:///nowhere.png'; document.body.append(i)")
    assert browser.ask("return window.bad") is None
    assert len([words for words in browser.complaints() if "Content Security Policy" in words]) == 2


def test_it_is_read_from_the_back_row(browser: Browser, page: str) -> None:
    browser.open(page)
    small = browser.ask(
        "return [...document.querySelectorAll('p, li, td, th, dd, dt, pre, summary, figcaption')]"
        ".filter(e => parseFloat(getComputedStyle(e).fontSize) < 18).map(e => e.outerHTML.slice(0, 60))"
    )
    assert pixels(browser.style(browser.find("body"), "font-size")) >= 18
    assert small == []
    sizes = browser.ask(
        "return [...document.querySelectorAll('svg text')].map(e => parseFloat(getComputedStyle(e).fontSize)"
        " * e.getScreenCTM().a)"
    )
    assert len(sizes) > 100 and min(sizes) >= 16


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALLEST], ids=lambda size: str(size[0]))
def test_the_page_never_scrolls_sideways(browser: Browser, page: str, size: tuple[int, int]) -> None:
    browser.open(page, size)
    browser.ask("document.querySelectorAll('details').forEach(item => item.open = true)")
    width, inner = browser.ask("return [document.documentElement.scrollWidth, innerWidth]")
    assert inner == size[0] and width <= inner
    outside = browser.ask(
        "return [...document.querySelectorAll('main *, footer *')].filter(e => !e.closest('.scroll, pre')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_at_least_seven(browser: Browser, page: str, scheme: str) -> None:
    browser.open(page, prefers_color_scheme=scheme)
    browser.ask("document.querySelectorAll('a.packet')[0].focus()")
    found = browser.ask(CONTRAST, 7)
    assert found["count"] > 500
    assert found["wrong"] == []


def test_dark_is_dark(browser: Browser, page: str) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.open(page, prefers_color_scheme=scheme)
        grounds.append(sum(map(int, re.findall(r"\d+", browser.style(browser.find("body"), "background-color"))[:3])))
    assert grounds[0] > 700 > 100 > grounds[1]


def test_words_stay_in_their_boxes(browser: Browser, page: str) -> None:
    """The widths are computed without a font: no usual one may be wider."""
    browser.open(page)
    assert len(browser.all(".inside")) > 20
    wider = browser.ask(
        "return [...document.querySelectorAll('.inside')].filter(t => t.getBBox().width > t.previousElementSibling"
        ".getBBox().width).map(t => t.textContent)"
    )
    assert wider == []


def test_pointing_at_a_packet_tells_its_fields_and_lights_its_row(browser: Browser, page: str) -> None:
    browser.open(page)
    packet = browser.all(PACKET)[0]
    browser.ask("arguments[0].scrollIntoView({block: 'center'})", packet)
    browser.point(packet)
    assert "lit" in str(packet.get_attribute("class"))
    card = browser.find(CARDS).text
    assert "client to server on lan: SYN" in card
    for field in ("flags", "window", "ttl", "seq", "client saw it leave", "server saw it come"):
        assert field in card
    assert "LISTEN" in card, "the sockets of that instant"


def test_the_keyboard_steps_pins_and_lets_go(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.ask("document.querySelector(arguments[0]).focus()", PACKET)
    first = browser.driver.switch_to.active_element
    browser.keys("ENTER")
    browser.keys("ARROW_DOWN")
    second = browser.driver.switch_to.active_element
    assert first.get_attribute("id") != second.get_attribute("id")
    light = browser.ask("return document.activeElement.querySelector('.light')")
    assert pixels(browser.style(light, "stroke-width")) >= 3, "the focus is seen"
    pinned, current = [card.text for card in browser.all(CARDS)]
    assert pinned.startswith("Pinned: ") and str(first.get_attribute("aria-label")) in pinned
    assert current.startswith(str(second.get_attribute("aria-label")))
    browser.keys("k")
    assert browser.driver.switch_to.active_element == first
    browser.keys("ESCAPE")
    assert browser.all(CARDS) == []


def test_one_stop_for_tab_and_j_begins(browser: Browser, page: str) -> None:
    browser.open(page)
    assert len(browser.all("#c1-diagram ~ .sequence a.event[tabindex='0']")) == 1
    browser.keys("j")
    assert "event" in str(browser.driver.switch_to.active_element.get_attribute("class"))
    browser.keys("END", "ARROW_DOWN")
    label = browser.driver.switch_to.active_element.get_attribute("aria-label")
    assert label == browser.all("#c1-diagram ~ .sequence a.event")[-1].get_attribute("aria-label")


def test_evidence_leads_to_its_event(browser: Browser, page: str) -> None:
    browser.open(page)
    link = next(
        each
        for each in browser.all("#c2-steps ~ .steps dd a")
        if "port-unreachable" in browser.ask("return arguments[0].text", each)
    )
    link.click()
    target = str(link.get_attribute("href")).rpartition("#")[2]
    assert browser.driver.switch_to.active_element.get_attribute("id") == target
    assert "port-unreachable" in browser.find(CARDS).text


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: str(size[0]))
def test_without_script_an_event_leads_to_its_fields(browser: Browser, page: str, size: tuple[int, int]) -> None:
    browser.open(page, size, script=False, prefers_reduced_motion="reduce")
    packet = browser.all(PACKET)[0]
    assert not browser.find(".panel").is_displayed()
    browser.driver.get(f"{page}{packet.get_dom_attribute('href')!s}")
    fields = browser.find("li:target")
    assert fields.is_displayed() and "client saw it leave" in fields.text
    assert 0 <= browser.ask("return arguments[0].getBoundingClientRect().top", fields) < size[1]
    browser.driver.get(f"{page}#{packet.get_attribute('id')}")
    assert browser.style(browser.find("a:target > .light"), "opacity") == "1"


def test_on_a_phone_the_panel_leaves_room_and_goes(browser: Browser, page: str) -> None:
    browser.open(page, PHONE)
    browser.ask("document.querySelector(arguments[0]).focus()", PACKET)
    panel = browser.find("#c2-diagram ~ .sequence .panel")
    box = panel.rect
    assert box["width"] <= PHONE[0] and box["height"] <= PHONE[1] / 2
    row = browser.ask("return document.activeElement.querySelector('.light').getBoundingClientRect().toJSON()")
    assert row["top"] >= 0 and row["bottom"] <= PHONE[1] - box["height"] + 1, "the panel does not hide what it tells of"
    panel.find_element("css selector", "button").click()
    assert not panel.is_displayed()


def test_on_a_phone_what_is_led_to_comes_into_sight(browser: Browser, page: str) -> None:
    """The lanes are wider than a phone: an arrow may be beside it."""
    browser.open(page, PHONE)
    packet = browser.all(PACKET)[0]
    words = packet.find_element("css selector", ".above")
    where = "const box = arguments[0].getBoundingClientRect(); return [box.left, box.right]"
    assert browser.ask(where, words)[1] > PHONE[0]
    browser.driver.get(f"{page}#{packet.get_attribute('id')}")
    left, right = browser.ask(where, words)
    assert 0 <= left < right <= PHONE[0]
    assert browser.ask("return scrollX") == 0


def test_nothing_moves_for_those_who_do_not_like_it(browser: Browser, page: str) -> None:
    for motion, duration in (("no-preference", "0.08s"), ("reduce", "0s")):
        browser.open(page, prefers_reduced_motion=motion)
        assert browser.style(browser.find(".light"), "transition-duration") == duration


def test_on_paper_nothing_is_hidden_or_cut(browser: Browser, page: str) -> None:
    browser.open(page, (1030, 720), script=False, media="print")
    assert not browser.find(".panel").is_displayed() and not browser.find("details.events").is_displayed()
    heights = browser.ask(
        "return [...document.querySelectorAll('details.print table')].map(e => e.checkVisibility() && e.offsetHeight)"
    )
    assert heights and all(height > 20 for height in heights), "what is folded on the screen is open"
    width = browser.ask(
        "return Math.max(...[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect().right))"
    )
    assert width <= 1030
    assert {browser.style(each, "break-inside") for each in browser.all("svg")} == {"avoid"}
    paper = base64.b64decode(browser.driver.print_page())
    assert paper.startswith(b"%PDF") and 4 < len(re.findall(rb"/Type\s*/Page\b", paper)) < 40
