// Send tweets to the service and show the results. Texts are only inserted as text nodes.
import { showResults, showThreshold } from "./results.js";

const EXAMPLES = [
  "saw Drake in Chicago last nite, best show ever!!",
  "RT @kim: stuck at Heathrow, Delta cancelled my flight to New York",
  "Manchester United vs Arsenal tonight, who's watching?",
  "so tired today I cannot even 😩",
].join("\n");

const byId = (id) => document.getElementById(id);
const [form, text, token] = [byId("form"), byId("text"), byId("token")];
const [threshold, problem, status] = [byId("threshold"), byId("problem"), byId("status")];
const submit = form.querySelector("[type=submit]");
let pipeline = { colors: {}, max_texts: 1, max_alternatives: 0, has_confidence: false };
let latest = 0;

async function request(address, options = {}) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The service can't be reached.");
  }
  const body = await response.json();
  if (!response.ok) {
    if (response.status === 401) {
      byId("token-row").hidden = false;
      token.focus();
    }
    throw new Error(body.error?.message ?? `The service returned status ${response.status}.`);
  }
  return body;
}

function annotate(texts) {
  const headers = { "Content-Type": "application/json" };
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  const body = { texts, probabilities: true, alternatives: Math.min(5, pipeline.max_alternatives) };
  return request("/annotate", { method: "POST", headers, body: JSON.stringify(body) });
}

async function findEntities() {
  const texts = text.value.split("\n").filter((line) => line.trim());
  problem.textContent = "";
  if (!texts.length) {
    status.textContent = "";
    problem.textContent = "Enter a tweet first.";
    text.focus();
    return;
  }
  const mine = ++latest;
  submit.disabled = true;
  byId("results").setAttribute("aria-busy", "true");
  status.textContent = "Finding entities …";
  try {
    const results = [];
    let tags = [];
    for (let i = 0; i < texts.length; i += pipeline.max_texts) {
      const response = await annotate(texts.slice(i, i + pipeline.max_texts));
      results.push(...response.results);
      tags = response.tags ?? tags;
    }
    // Ignore responses to earlier requests.
    if (mine === latest) {
      showResults(byId("results"), texts, results, tags, pipeline.colors);
      report();
    }
  } catch (error) {
    if (mine === latest) {
      status.textContent = "";
      problem.textContent = error.message;
    }
  } finally {
    submit.disabled = false;
    byId("results").removeAttribute("aria-busy");
  }
}

function report() {
  byId("threshold-value").textContent = `${threshold.value} %`;
  const count = showThreshold(byId("results"), threshold.value / 100);
  if (!count) return;
  const hidden = count.all - count.shown;
  const things = count.shown === 1 ? "1 entity" : `${count.shown} entities`;
  const tweets = count.tweets === 1 ? "1 tweet" : `${count.tweets} tweets`;
  status.textContent = `${things} in ${tweets}` + (hidden ? `, ${hidden} below the threshold` : "");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  findEntities();
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !submit.disabled) findEntities();
});
threshold.addEventListener("input", report);
byId("example").addEventListener("click", () => {
  text.value = EXAMPLES;
  findEntities();
});
byId("clear").addEventListener("click", () => {
  latest += 1;
  text.value = status.textContent = problem.textContent = "";
  byId("results").replaceChildren();
  text.focus();
});

try {
  pipeline = await request("/pipeline");
  byId("pipeline").textContent =
    `${pipeline.name} ${pipeline.version}: ${pipeline.labels.join(", ")}`;
  byId("token-row").hidden = !pipeline.needs_token;
  threshold.disabled = !pipeline.has_confidence;
} catch (error) {
  problem.textContent = error.message;
}
