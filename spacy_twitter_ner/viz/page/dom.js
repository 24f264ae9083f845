const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/* Create an element. Children are elements or strings, which become text nodes: data is never
   parsed as HTML. */
function make(name, settings, ...children) {
  const isSvg = ["svg", "path", "line", "text", "circle", "rect", "g", "title"].includes(name);
  const element = isSvg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(settings || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.startsWith("--")) element.style.setProperty(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const percent = (fraction, digits = 1) => (100 * fraction).toFixed(digits);
const count = (number) => number.toLocaleString("en");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const colorOf = (label) => report.colors[label];

function swatch(label) {
  return make("span", { class: "swatch", "--type": colorOf(label), "aria-hidden": "true" });
}

function typeCell(label) {
  return make("span", null, label in report.colors ? swatch(label) : null, label);
}
