// The teaching page. An answer is saved before the next tweet is shown.
import { describeRunning, showProgress } from "./progress.js";
import { make, Tweet } from "./tweet.js";

const KEYS = "1234567890qwertyiop";
const AHEAD = 3;
const byId = (id) => document.getElementById(id);
// One ID per tab, so that two tabs get different tweets, and a reloaded one gets its own again.
const client = sessionStorage.getItem("client") ?? newId();
sessionStorage.setItem("client", client);
let labels = [];
let colors = {};
let active = null;
let tweet = null;
let queue = [];
let done = [];
let reviewing = [];
let isSaving = false;
let isDragging = false;

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function request(address, body) {
  const headers = { "X-Teach": "1" };
  if (byId("token").value) headers.Authorization = `Bearer ${byId("token").value}`;
  const options = { headers };
  if (body) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The service can't be reached. Start it again with the same command; nothing is lost.");
  }
  const found = await response.json();
  if (!response.ok) {
    if (response.status === 401) byId("token-row").hidden = false;
    throw new Error(found.error?.message ?? `The service returned status ${response.status}.`);
  }
  return found;
}

function guarded(action) {
  return async (...parameters) => {
    try {
      byId("problem").textContent = "";
      await action(...parameters);
    } catch (error) {
      byId("problem").textContent = error.message;
    }
  };
}

const annotator = () => byId("annotator").value.trim();

async function refresh() {
  const target = Math.min(99, Math.max(1, Number(byId("target").value) || 80)) / 100;
  const progress = await request(`/api/progress?target=${target}`);
  colors = progress.colors;
  if (labels.join() !== progress.labels.join()) {
    labels = progress.labels;
    showLabels();
    tweet?.render(byId("tweet"), colors);
  }
  byId("overview").textContent = `${progress.n_tweets.toLocaleString("en")} tweets. ${describeRunning(progress)}`;
  byId("progress").hidden = false;
  reviewing = progress.disagreements;
  byId("finish").disabled = progress.running !== null;
  byId("finished").textContent =
    progress.is_finished && progress.running !== "finish" ? "Written: model/, data/ and report.md in the session's folder." : "";
  showProgress(progress);
  return progress;
}

function showLabels() {
  active = labels.includes(active) ? active : labels[0];
  const buttons = labels.map((label, i) => {
    const attributes = { type: "button", role: "radio", "aria-checked": label === active, "data-label": label };
    const button = make("button", attributes, `${label} `);
    if (KEYS[i]) button.append(make("kbd", { text: KEYS[i].toUpperCase() }));
    button.style.setProperty("--type", colors[label]);
    button.addEventListener("click", () => assign(label));
    return button;
  });
  byId("labels").replaceChildren(...buttons);
}

function choose(label) {
  active = label;
  for (const button of byId("labels").children)
    button.setAttribute("aria-checked", button.dataset.label === label);
}

function assign(label) {
  choose(label);
  if (tweet && !isSaving && (tweet.current || tweet.isSelecting)) {
    tweet.assign(label);
    show();
    say(describeSpans());
  }
}

function describeSpans() {
  const parts = tweet.spans.map(({ first, last, label }) => `${tweet.word(first, last)}: ${label ?? "not sure"}`);
  return parts.join(", ") || "No spans";
}

const say = (text) => { byId("status").textContent = text; };

function show() {
  tweet.render(byId("tweet"), colors);
  byId("tweet").setAttribute("aria-label", `${tweet.item.text}. ${describeSpans()}`);
  const rows = tweet.spans.map((span) => {
    const text = `${tweet.word(span.first, span.last)} · ${span.label ?? "not sure"}`;
    const chip = make("button", { type: "button", text, "aria-pressed": span === tweet.current });
    chip.addEventListener("click", () => {
      tweet.current = span;
      tweet.cursor = tweet.anchor = span.first;
      show();
    });
    return make("li", {}, chip);
  });
  byId("spans").replaceChildren(...rows);
}

function open(item) {
  tweet = new Tweet(item);
  byId("work").hidden = false;
  const reasons = { random: "A random tweet", uncertain: "The pipeline is unsure about this tweet", second: "Someone else annotated this tweet as well" };
  byId("reason").textContent = item.versions ? "Annotators disagree: choose a version, or correct one" : reasons[item.reason] ?? "";
  showVersions(item.versions ?? []);
  show();
  byId("tweet").focus();
}

function showVersions(versions) {
  const buttons = versions.map((version) => {
    const spans = version.spans.map(([start, end, label]) => `${tweet.characters.slice(start, end).join("")}: ${label}`);
    const text = `${version.annotator}: ${version.action === "accept" ? spans.join(", ") || "no spans" : version.action}`;
    const button = make("button", { type: "button", text });
    button.addEventListener("click", () => { tweet.load(version); show(); });
    return button;
  });
  byId("versions").hidden = !versions.length;
  byId("versions").replaceChildren(...buttons);
}

async function fill() {
  if (queue.length >= AHEAD) return;
  const { tweets } = await request("/api/next", { annotator: annotator(), client, n: AHEAD + 1 });
  const known = new Set([tweet?.item.tweet, ...done.map(({ item }) => item.tweet)]);
  // The server's order is newer than ours, except for the tweet on the screen.
  queue = tweets.filter(({ tweet: number }) => !known.has(number));
}

async function next() {
  if (!queue.length) await fill();
  const item = queue.shift();
  if (item) open(item);
  else {
    tweet = null;
    byId("work").hidden = true;
    say("There is no tweet to annotate at the moment.");
    setTimeout(guarded(async () => { if (!tweet && annotator()) await next(); }), 1500);
  }
}

const answer = guarded(async (action) => {
  if (!tweet || isSaving) return;
  isSaving = true;
  try {
    tweet.id ??= newId();
    const body = { ...tweet.toAnswer(action), id: tweet.id, annotator: annotator() };
    if (tweet.item.versions) body.adjudicates = true;
    await request("/api/answer", body);
    say(action === "accept" ? "Saved" : action === "skip" ? "Skipped" : "Flagged");
    done.push(tweet);
    tweet = null;
    await next();
  } finally {
    isSaving = false;
  }
  if (queue.length < AHEAD) fill().catch(() => {});
});

const back = guarded(async () => {
  const last = done.pop();
  if (!last) return say("There is no previous tweet.");
  if (tweet) queue.unshift(tweet.item);
  // A changed answer is a new answer, which replaces the earlier one.
  last.id = undefined;
  tweet = last;
  byId("work").hidden = false;
  show();
  say("");
  byId("tweet").focus();
});

const review = guarded(async () => {
  if (!reviewing.length) return;
  if (tweet && !tweet.item.versions) queue.unshift(tweet.item);
  open(await request(`/api/disagreement?tweet=${reviewing[0]}`));
  say("");
});

function edit(action) {
  // While an answer is being saved, a change would be lost.
  if (!tweet || isSaving) return;
  const isChanged = action() !== false;
  show();
  say(isChanged ? describeSpans() : "Nothing to change.");
}

function tokenAt(event) {
  const word = document.elementFromPoint(event.clientX, event.clientY)?.closest?.("[data-token]");
  return word ? Number(word.dataset.token) : null;
}

byId("tweet").addEventListener("pointerdown", (event) => {
  const token = tokenAt(event);
  if (token === null || isSaving) return;
  isDragging = true;
  tweet.anchor = tweet.cursor = token;
  tweet.current = tweet.spanAt(token);
  tweet.isSelecting = !tweet.current;
  show();
});
byId("tweet").addEventListener("pointermove", (event) => {
  const token = isDragging ? tokenAt(event) : null;
  if (token === null || token === tweet.cursor) return;
  tweet.cursor = token;
  tweet.current = null;
  tweet.isSelecting = true;
  show();
});
// After a click on a button, keys refer to the tweet again. With the keyboard, focus stays.
byId("work").addEventListener("click", (event) => {
  if (event.detail && event.target.closest("button") && !event.target.closest("#new-label")) byId("tweet").focus();
});
document.addEventListener("pointerup", () => { isDragging = false; });

const COMMANDS = {
  Enter: () => answer("accept"),
  ArrowRight: (event) => { tweet.move(1, event.shiftKey); show(); },
  ArrowLeft: (event) => { tweet.move(-1, event.shiftKey); show(); },
  " ": () => { tweet.isSelecting = true; tweet.current = null; show(); },
  Backspace: () => edit(() => tweet.remove()),
  Delete: () => edit(() => tweet.remove()),
  "?": () => edit(() => tweet.assign(null)),
  u: () => edit(() => tweet.undo()),
  b: () => back(),
  s: () => answer("skip"),
  f: () => answer("flag"),
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea");
  const isButton = event.target.closest("button") && [" ", "Enter"].includes(event.key);
  if (!tweet || isSaving || isTyping || isButton || event.ctrlKey || event.metaKey || event.altKey) return;
  const position = KEYS.indexOf(event.key);
  const command = COMMANDS[event.key];
  if (position >= 0 && labels[position]) {
    if (!tweet.current) tweet.isSelecting = true;
    assign(labels[position]);
  } else if (command) command(event);
  else return;
  event.preventDefault();
});

byId("accept").addEventListener("click", () => answer("accept"));
byId("skip").addEventListener("click", () => answer("skip"));
byId("flag").addEventListener("click", () => answer("flag"));
byId("unsure").addEventListener("click", () => edit(() => tweet.assign(null)));
byId("delete").addEventListener("click", () => edit(() => tweet.remove()));
byId("undo").addEventListener("click", () => edit(() => tweet.undo()));
byId("back").addEventListener("click", back);
byId("review").addEventListener("click", review);
byId("target").addEventListener("change", guarded(refresh));
byId("finish").addEventListener("click", guarded(async () => {
  await request("/api/finish", {});
  await refresh();
}));
byId("new-label").addEventListener("submit", guarded(async (event) => {
  event.preventDefault();
  const label = byId("label-name").value.trim();
  if (!label) return;
  await request("/api/label", { id: newId(), label });
  byId("label-name").value = "";
  await refresh();
  choose(label);
  byId("tweet").focus();
}));
byId("person").addEventListener("submit", guarded(async (event) => {
  event.preventDefault();
  if (!annotator()) return;
  await refresh();
  byId("person").hidden = true;
  byId("problem").textContent = "";
  if (!tweet) await next();
}));
setInterval(() => { if (byId("person").hidden) refresh().catch(() => {}); }, 2000);
refresh().catch((error) => { byId("problem").textContent = error.message; });
byId("annotator").focus();
