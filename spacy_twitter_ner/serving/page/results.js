// Render results.

function make(name, { text, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

function percent(probability) {
  const value = 100 * probability;
  if (value > 0 && value < 0.5) return "< 1 %";
  if (value < 100 && value >= 99.5) return "> 99 %";
  return `${Math.round(value)} %`;
}

function colored(element, type, colors) {
  element.style.setProperty("--type", colors[type] ?? "#cfd4da");
  return element;
}

function highlight(characters, entities, colors) {
  const tweet = make("p", { class: "tweet", dir: "auto" });
  let end = 0;
  for (const entity of entities) {
    tweet.append(characters.slice(end, entity.start).join(""));
    const confidence = entity.confidence === null ? "" : ` ${percent(entity.confidence)}`;
    const mark = make("mark", { "data-confidence": entity.confidence ?? 1 });
    mark.append(characters.slice(entity.start, entity.end).join(""));
    mark.append(" ", make("small", { text: entity.type + confidence }));
    tweet.append(colored(mark, entity.type, colors));
    end = entity.end;
  }
  tweet.append(characters.slice(end).join(""));
  return tweet;
}

// Sum the probabilities of B and I, to show one row per type.
function typeRows(tokens, tags) {
  const types = [...new Set(tags.map((tag) => tag.replace(/^[BI]-/, "")))];
  const rows = types.map((type) => ({
    type,
    values: tokens.map(({ probabilities }) =>
      tags.reduce(
        (sum, tag, i) => (tag.replace(/^[BI]-/, "") === type ? sum + probabilities[i] : sum), 0),
    ),
  }));
  return rows.filter(({ type, values }) => type === "O" || Math.max(0, ...values) >= 0.01);
}

function heatmap(characters, tokens, tags) {
  const head = make("tr", {}, make("td"));
  for (const { start, end } of tokens)
    head.append(make("th", { scope: "col", text: characters.slice(start, end).join("") }));
  const body = make("tbody");
  for (const { type, values } of typeRows(tokens, tags)) {
    const row = make("tr", {}, make("th", { scope: "row", text: type === "O" ? "no entity" : type }));
    for (const value of values) {
      const cell = make("td", { text: value < 0.005 ? "" : Math.round(100 * value) });
      cell.style.setProperty("--p", value.toFixed(3));
      cell.classList.toggle("strong", value >= 0.6);
      row.append(cell);
    }
    body.append(row);
  }
  const table = make("table", {}, make("caption", { text: "Percent, without types below 1 %" }));
  table.append(make("thead", {}, head), body);
  const attributes = { class: "scroll", tabindex: 0, role: "region", "aria-label": "Probabilities" };
  return make("div", attributes, table);
}

function alternatives(found, colors) {
  const list = make("ol", { class: "alternatives" });
  for (const { probability, entities } of found) {
    const chips = entities.map(({ text, type }) =>
      colored(make("span", { class: "chip", text: `${text} · ${type}` }), type, colors));
    const what = make("span", {}, ...(chips.length ? chips : ["no entity"]));
    list.append(make("li", {}, make("b", { text: percent(probability) }), what));
  }
  return list;
}

// Render the content when it is opened for the first time.
function disclosure(title, fill) {
  const details = make("details", {}, make("summary", { text: title }));
  details.addEventListener("toggle", () => details.append(fill()), { once: true });
  return details;
}

export function showResults(section, texts, results, tags, colors) {
  const articles = results.map(({ entities, tokens, alternatives: found }, i) => {
    const characters = Array.from(texts[i]);
    const article = make("article", { "aria-label": `Tweet ${i + 1}` });
    article.append(highlight(characters, entities, colors));
    if (tokens?.length)
      article.append(
        disclosure("Type probabilities", () => heatmap(characters, tokens, tags)));
    if (found?.length)
      article.append(disclosure("Alternatives", () => alternatives(found, colors)));
    return article;
  });
  section.replaceChildren(...articles);
}

export function showThreshold(section, threshold) {
  const marks = [...section.querySelectorAll("mark")];
  let shown = 0;
  for (const mark of marks) {
    const isShown = Number(mark.dataset.confidence) >= threshold;
    mark.classList.toggle("below-threshold", !isShown);
    shown += isShown;
  }
  return section.children.length
    ? { all: marks.length, shown, tweets: section.children.length }
    : null;
}
