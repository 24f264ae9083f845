const PAGE_SIZE = 25;
let state = readAddress();
let shown = [];

function show(change, { keepPage = false, focus = null } = {}) {
  state = { ...state, ...change };
  if (!keepPage) state.page = 1;
  history.replaceState(null, "", writeAddress(state));
  fillTweets();
  if (focus) focus();
}

function browse(change) {
  show({ ...EMPTY, split: state.split, category: "all", ...change });
  fillFilters();
  byId("tweets").scrollIntoView();
}

/* ---- split ---- */

function fillSplit() {
  const split = findSplit(state);
  byId("splits").replaceChildren(
    ...report.splits.map(({ name }) =>
      make("button", { type: "button", "aria-pressed": String(name === state.split), onclick: () => chooseSplit(name) }, name)
    )
  );
  byId("summary").replaceChildren(...summarySection(split.quality));
  byId("tables").replaceChildren(...tablesSection(split));
  byId("tweets").replaceChildren(
    make("h2", null, "Tweets"), make("div", { class: "filters", id: "filters", role: "search" }),
    make("div", { class: "pager", id: "pager" }), make("div", { id: "list" }), make("div", { class: "pager", id: "pager-end" })
  );
  fillFilters();
  fillTweets();
}

function chooseSplit(name) {
  state = { ...state, split: name, tweet: 0, page: 1 };
  history.replaceState(null, "", writeAddress(state));
  fillSplit();
}

function summarySection(quality) {
  const { overall, categories } = quality;
  const fact = (value, text, isMain) => make("div", { class: `fact${isMain ? " main" : ""}` }, make("b", null, value), make("span", { class: "quiet" }, text));
  const all = categories["all types"];
  const names = report.categories.filter((name) => all[name]);
  const total = names.reduce((sum, name) => sum + all[name], 0);
  const pick = (name) => ({ type: "button", "data-category": name, onclick: () => browse({ category: name }) });
  return [
    make(
      "div", { class: "facts" },
      fact(percent(overall.f), `F1, 95% interval ${percent(overall.low)} to ${percent(overall.high)}`, true),
      fact(percent(overall.p), `precision: ${count(overall.n_correct)} of ${count(overall.n_predicted)} predicted`),
      fact(percent(overall.r), `recall: ${count(overall.n_correct)} of ${count(overall.n_gold)} gold`),
      fact(percent(quality.span_only.f), "F1 ignoring types"),
      fact(percent(quality.accuracy), `token accuracy, ${count(quality.tokens)} tokens`),
      fact(count(quality.tweets), "tweets")
    ),
    make(
      "div", { class: "outcomes" },
      ...names.map((name) => {
        const button = make("button", { ...pick(name), title: `${name}: ${all[name]}` }, all[name] > total / 12 ? `${name} ${all[name]}` : "");
        button.style.flexGrow = all[name];
        return button;
      })
    ),
    make("div", { class: "legend" }, ...names.map((name) => make("button", pick(name), `${name} ${count(all[name])}`))),
  ];
}

function tablesSection({ quality, confidence }) {
  const { seen, entity_length, tweet_length } = quality.slices;
  const block = (title, content) => make("div", null, make("h3", null, title), content);
  return [
    make("h2", null, "Scores by type"), typeTable(quality),
    ...(report.splits.length > 1 ? [make("h2", null, "All splits"), splitTable()] : []),
    ...(Object.keys(quality.differences).length ? [make("h2", null, "Comparison with other models"), differenceTable(quality.differences)] : []),
    make("h2", null, "Errors"), categoryTable(quality),
    make("h2", null, "Confusion matrix"),
    make("p", { class: "quiet" }, "Shades are fractions of a row. Click a number to see its tweets."),
    confusionTable(quality, (gold, predicted) => browse({ gold, predicted })),
    make("h2", null, "Slices"),
    make(
      "div", { class: "grid" },
      ...(seen ? [block("Seen in the training data", sliceTable("Entity text", seen))] : []),
      block("By entity length", sliceTable("Entity", entity_length)),
      block("By tweet length", sliceTable("Tweet", tweet_length))
    ),
    make("h2", null, "Partial matches"), schemaTable(quality),
    ...(confidence ? confidenceSection(confidence) : []),
  ];
}

/* ---- tweets ---- */

function fillFilters() {
  const choice = (key, name, options) =>
    make(
      "label", null, name,
      make("select", { id: `filter-${key}`, onchange: (event) => show({ [key]: event.target.value, tweet: 0 }) },
        ...options.map(([value, text]) => make("option", { value, selected: state[key] === value }, text)))
    );
  const entered = (key, name, settings, kind) =>
    make("label", { class: kind }, name, make("input", { id: `filter-${key}`, value: state[key], oninput: (event) => show({ [key]: event.target.value, tweet: 0 }), ...settings }));
  const { tweets, quality } = findSplit(state);
  const labels = [...report.labels.map((label) => [label, label])];
  const withNone = [["", "any"], ...labels, ["none", "none"]];
  const hasConfidence = tweets.some((tweet) => tweet.p.some((entity) => entity[4] >= 0));
  const sorts = [["corpus", "corpus order"], ["errors", "most errors first"], ["long", "longest first"]];
  if (hasConfidence) sorts.push(["unsure", "least confident first"], ["sure", "most confident errors first"]);
  byId("filters").replaceChildren(
    entered("q", "Search the text", { type: "search", placeholder: "words in any order" }, "search"),
    choice("category", "Entities", [
      ["errors", "with any error"], ...report.categories.map((name) => [name, name]), ["all", "all tweets"], ["clean", "tweets without entities"],
    ]),
    choice("type", "Type", [["", "any"], ...labels]),
    choice("gold", "Gold type", withNone),
    choice("predicted", "Predicted type", withNone),
    ...(quality.slices.seen ? [choice("seen", "Training data", [["", "any"], ...report.seen.map((name) => [name, name])])] : []),
    ...(hasConfidence
      ? [entered("low", "Confidence from, %", { type: "number", min: 0, max: 100 }), entered("high", "to, %", { type: "number", min: 0, max: 100 })]
      : []),
    choice("sort", "Order", sorts),
    make("button", { type: "button", id: "reset", onclick: resetFilters }, "Reset")
  );
}

function resetFilters() {
  show({ ...EMPTY, split: state.split });
  fillFilters();
}

function fillTweets() {
  shown = findTweets(state);
  const pages = Math.max(1, Math.ceil(shown.length / PAGE_SIZE));
  state.page = Math.min(state.page, pages);
  const start = (state.page - 1) * PAGE_SIZE;
  const numbers = shown.slice(start, start + PAGE_SIZE);
  byId("list").replaceChildren(...numbers.map((number) => tweetCard(state, number)));
  byId("pager").replaceChildren(countLine(numbers, start), ...pagerButtons(pages));
  byId("pager-end").replaceChildren(...(pages > 1 ? pagerButtons(pages) : []));
}

function countLine(numbers, start) {
  if (state.tweet) {
    const text = numbers.length ? `Only tweet ${count(state.tweet)} ` : `There is no tweet ${count(state.tweet)} `;
    return make("span", { class: "count", role: "status" }, text, make("button", { type: "button", id: "show-all", onclick: resetFilters }, "Show all"));
  }
  const range = numbers.length ? `: ${count(start + 1)} to ${count(start + numbers.length)}` : "";
  return make("span", { class: "count", role: "status" }, `${plural(shown.length, "tweet")} of ${count(findSplit(state).tweets.length)}${range}`);
}

function pagerButtons(pages) {
  if (pages === 1) return [];
  const turn = (step) => make("button", { type: "button", disabled: state.page + step < 1 || state.page + step > pages, onclick: () => turnPage(step) }, step < 0 ? "← Previous" : "Next →");
  return [turn(-1), make("span", null, `page ${count(state.page)} of ${count(pages)}`), turn(1)];
}

function turnPage(step) {
  const pages = Math.ceil(shown.length / PAGE_SIZE);
  if (state.page + step < 1 || state.page + step > pages) return;
  show({ page: state.page + step }, { keepPage: true });
  byId("tweets").scrollIntoView();
}

/* ---- keys ---- */

function moveFocus(step) {
  const cards = [...byId("list").children];
  const index = cards.indexOf(document.activeElement.closest(".tweet"));
  const next = cards[Math.min(cards.length - 1, Math.max(0, index < 0 ? 0 : index + step))];
  if (next) next.focus();
}

function openFocused() {
  const card = document.activeElement.closest(".tweet");
  if (card) location.hash = writeAddress({ ...EMPTY, split: state.split, tweet: Number(card.dataset.number) });
}

const KEYS = {
  "/": () => byId("filter-q").focus(),
  j: () => moveFocus(1), k: () => moveFocus(-1),
  n: () => turnPage(1), p: () => turnPage(-1),
  o: openFocused, t: () => byId("theme").click(),
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && isTyping) event.target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

window.addEventListener("hashchange", () => {
  if (location.hash === writeAddress(state)) return;
  state = readAddress();
  fillSplit();
  if (state.tweet) showTarget();
});

function showTarget() {
  const card = document.querySelector(".tweet");
  if (card) card.focus();
  byId("tweets").scrollIntoView();
}

/* ---- page ---- */

function storedTheme(value) {
  // Browsers may deny storage to local files.
  try {
    if (value !== undefined) localStorage.setItem("spacy-twitter-ner-theme", value);
    return localStorage.getItem("spacy-twitter-ner-theme");
  } catch {
    return null;
  }
}

function startTheme() {
  const root = document.documentElement;
  const isDark = () => root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const name = () => (byId("theme").textContent = isDark() ? "☀ Light" : "☾ Dark");
  if (["light", "dark"].includes(storedTheme())) root.dataset.theme = storedTheme();
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    storedTheme(root.dataset.theme);
    name();
  });
  name();
}

function start() {
  startTheme();
  byId("about").textContent = Object.entries(report.about).map(([key, value]) => `${key}: ${value}`).join(" · ");
  if (report.curves.length) byId("curves").replaceChildren(...curvesSection());
  const jumps = [["summary", "Summary"], ["tables", "Tables"], ["curves", "Curves"], ["tweets", "Tweets"]];
  byId("jumps").replaceChildren(
    ...jumps.filter(([id]) => id !== "curves" || report.curves.length).map(([id, name]) => make("button", { type: "button", onclick: () => byId(id).scrollIntoView() }, name))
  );
  byId("foot").append(
    "Keys: ", make("kbd", null, "/"), " search  ", make("kbd", null, "j"), " ", make("kbd", null, "k"), " next or previous tweet  ",
    make("kbd", null, "o"), " show only this tweet  ", make("kbd", null, "n"), " ", make("kbd", null, "p"), " pages  ", make("kbd", null, "t"), " light or dark.  ",
    `Made by spacy-twitter-ner ${report.version}.`
  );
  byId("skip").addEventListener("click", () => byId("tweets").focus());
  fillSplit();
  if (state.tweet) showTarget();
}

start();
