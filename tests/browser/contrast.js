// Every text's contrast against what is behind it, as [ratio, text, colours]; only those below what is asked for.
const least = arguments[0];
const clear = "rgba(0, 0, 0, 0)";
const numbers = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
const light = (colour) => {
  const [r, g, b] = numbers(colour).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const fill = (element) => getComputedStyle(element).fill;
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (colour !== clear) return colour;
  }
  return "rgb(255, 255, 255)";
};
function behind(text) {
  if (!text.closest("svg")) return [ground(text)];
  const box = text.parentElement.querySelector(".box");
  if (text.matches(".inside")) return [fill(box)];
  const grounds = [text.closest("svg").querySelector(".ground"), text.parentElement.querySelector(".light")];
  const drawn = grounds.filter(Boolean).map(fill);
  return drawn.length ? drawn : [ground(text), ...[...text.parentElement.querySelectorAll(".box")].map(fill)];
}
const wrong = [];
let count = 0;
document.querySelectorAll("details").forEach((item) => (item.open = true));
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility || !element.checkVisibility() || element.closest("script, style, title, desc")) continue;
  const colour = element.closest("svg") ? fill(element) : getComputedStyle(element).color;
  for (const under of behind(element)) {
    count += 1;
    if (ratio(colour, under) < least) wrong.push([ratio(colour, under), element.textContent.trim().slice(0, 40), colour, under]);
  }
}
return { count, wrong };
