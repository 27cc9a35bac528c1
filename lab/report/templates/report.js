"use strict";
// What is pointed at, stepped to or pinned is told in a panel beside its diagram, and lit. Everything told is on the
// page already: without this script an event is a link to its fields.

let mouse = {};
const diagrams = [...document.querySelectorAll(".sequence")].map(watch);
document.addEventListener("keydown", onKey);
document.addEventListener("mousemove", (move) => (mouse = move));
window.addEventListener("hashchange", follow);
window.addEventListener("beforeprint", () => document.querySelectorAll("details.print").forEach((item) => (item.open = true)));
follow();

function watch(figure) {
  const diagram = {
    words: figure.dataset,
    panel: figure.querySelector(".panel"),
    events: [...figure.querySelectorAll("a.event")],
    lives: [...figure.parentElement.querySelectorAll("tr[data-from]")],
    pinned: null,
    current: null,
  };
  figure.classList.add("scripted");
  diagram.panel.hidden = false;
  diagram.events.forEach((event, index) => {
    event.tabIndex = index ? -1 : 0; // one stop for Tab; the arrows go on from there
    event.addEventListener("mouseenter", (move) => {
      // what comes to lie under a mouse at rest is not pointed at
      if (move.clientX !== mouse.clientX || move.clientY !== mouse.clientY) show(diagram, event);
    });
    event.addEventListener("focus", () => show(diagram, event));
    event.addEventListener("click", (click) => {
      click.preventDefault();
      event.focus();
      pin(diagram, event);
    });
  });
  figure.querySelector(".scroll").addEventListener("mouseleave", () => {
    const focused = diagram.events.includes(document.activeElement) ? document.activeElement : null;
    show(diagram, focused);
  });
  diagram.panel.querySelector("button").addEventListener("click", () => letGo(diagram));
  return diagram;
}

function onKey(key) {
  if (key.ctrlKey || key.altKey || key.metaKey || key.defaultPrevented) return;
  const here = diagrams.find((diagram) => diagram.events.includes(document.activeElement));
  const step = { j: 1, ArrowDown: 1, ArrowRight: 1, k: -1, ArrowUp: -1, ArrowLeft: -1 }[key.key];
  if (key.key === "Escape") {
    diagrams.forEach(letGo);
  } else if (here && (step || key.key === "Home" || key.key === "End")) {
    const last = here.events.length - 1;
    const index = here.events.indexOf(document.activeElement) + (step || 0);
    go(here, key.key === "Home" ? 0 : key.key === "End" ? last : Math.max(0, Math.min(last, index)));
  } else if (!here && (key.key === "j" || key.key === "k")) {
    const next = nearest();
    if (!next) return;
    go(...next);
  } else {
    return;
  }
  key.preventDefault();
}

function nearest() {
  for (const diagram of diagrams) {
    const index = diagram.events.findIndex((event) => event.getBoundingClientRect().top >= 0);
    if (index >= 0) return [diagram, index];
  }
  return null;
}

function go(diagram, index) {
  diagram.events.forEach((event, place) => (event.tabIndex = place === index ? 0 : -1));
  diagram.events[index].focus({ preventScroll: true });
  diagram.events[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  // a row may be wider than the screen; what it says must be in sight, the panel tells its time
  const words = diagram.events[index].querySelector(".above, .beside, .inside");
  if (words) words.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function follow() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const diagram = target && diagrams.find((each) => each.events.includes(target));
  if (diagram) go(diagram, diagram.events.indexOf(target));
  const folded = target && target.closest("details");
  if (folded && !folded.open) {
    folded.open = true;
    target.scrollIntoView();
  }
}

function show(diagram, event) {
  diagram.current = event;
  tell(diagram);
}

function pin(diagram, event) {
  diagram.pinned = diagram.pinned === event ? null : event;
  show(diagram, event);
}

function letGo(diagram) {
  diagram.pinned = diagram.current = null;
  tell(diagram);
}

function tell(diagram) {
  const { panel, pinned, current } = diagram;
  for (const event of diagram.events) {
    event.classList.toggle("pinned", event === pinned);
    event.classList.toggle("lit", event === pinned || event === current);
  }
  const cards = [];
  if (pinned) cards.push(card(diagram, pinned, `${diagram.words.pinned}: `));
  if (current && current !== pinned) cards.push(card(diagram, current, ""));
  panel.classList.toggle("telling", cards.length > 0);
  panel.querySelector(".cards").replaceChildren(...cards);
  panel.querySelector("button").hidden = !cards.length;
}

function card(diagram, event, lead) {
  const known = document.getElementById(event.getAttribute("href").slice(1));
  const made = element("div", "card");
  const title = element("p", "");
  title.append(element("b", "", lead + known.querySelector("b").textContent));
  made.append(title, known.querySelector("dl").cloneNode(true), sockets(diagram, Number(event.dataset.time)));
  return made;
}

function sockets(diagram, time) {
  const rows = diagram.lives.filter((row) => row.dataset.from <= time && !(row.dataset.until <= time));
  if (!rows.length) return element("p", "hint", diagram.lives.length ? diagram.words.none : "");
  const table = element("table", "sockets");
  table.append(element("caption", "", diagram.words.sockets));
  table.append(rows[0].closest("table").tHead.cloneNode(true));
  table.createTBody().append(...rows.map((row) => row.cloneNode(true)));
  for (const row of table.rows) for (const column of [4 - 1, 1, 0]) row.deleteCell(column); // times and protocol
  return table;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
