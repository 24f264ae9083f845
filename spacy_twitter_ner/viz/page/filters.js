/* The state of the view. It is stored in the URL's fragment, so that views can be linked to:
   #test?category=missed&type=person, or #test/12 for one tweet. */
const EMPTY = {
  split: report.splits[report.splits.length - 1].name,
  tweet: 0, q: "", category: "errors", type: "", gold: "", predicted: "", seen: "", low: "", high: "",
  sort: "corpus", page: 1,
};
const FILTER_KEYS = ["q", "category", "type", "gold", "predicted", "seen", "low", "high", "sort", "page"];

function readAddress() {
  const [path, query] = location.hash.slice(1).split("?");
  const [split, tweet] = path.split("/").map((part) => decode(part));
  const state = { ...EMPTY };
  if (report.splits.some((other) => other.name === split)) state.split = split;
  state.tweet = Math.max(0, parseInt(tweet, 10) || 0);
  for (const [key, value] of new URLSearchParams(query || "")) {
    if (FILTER_KEYS.includes(key)) state[key] = value;
  }
  state.page = Math.max(1, parseInt(state.page, 10) || 1);
  return state;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function writeAddress(state) {
  const query = new URLSearchParams();
  for (const key of FILTER_KEYS) {
    if (String(state[key]) !== String(EMPTY[key])) query.set(key, state[key]);
  }
  const path = encodeURIComponent(state.split) + (state.tweet ? `/${state.tweet}` : "");
  const text = query.toString();
  return `#${path}${text && !state.tweet ? `?${text}` : ""}`;
}

function findSplit(state) {
  return report.splits.find((split) => split.name === state.split);
}

const searchTexts = new WeakMap();
function searchText(tweet) {
  if (!searchTexts.has(tweet)) searchTexts.set(tweet, tweet.w.join(" ").toLowerCase());
  return searchTexts.get(tweet);
}

/* Return the numbers of the tweets to show, starting at 1. */
function findTweets(state) {
  const tweets = findSplit(state).tweets;
  if (state.tweet) return state.tweet <= tweets.length ? [state.tweet] : [];
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const numbers = [];
  tweets.forEach((tweet, index) => {
    const hasWords = words.every((word) => searchText(tweet).includes(word));
    if (hasWords && hasMatch(tweet, state)) numbers.push(index + 1);
  });
  const keys = {
    corpus: null,
    unsure: (tweet) => lowestConfidence(tweet),
    sure: (tweet) => -highestConfidence(tweet),
    errors: (tweet) => -tweet.m.filter((match) => match[2] > 0).length,
    long: (tweet) => -tweet.w.length,
  };
  const key = keys[state.sort];
  if (!key) return numbers;
  const order = new Map(numbers.map((number) => [number, key(tweets[number - 1])]));
  return numbers.sort((one, other) => order.get(one) - order.get(other) || one - other);
}

/* Check whether a single match of gold and predicted entity passes all filters. */
function hasMatch(tweet, state) {
  const filtersEntities = state.type || state.gold || state.predicted || state.seen || state.low !== "" || state.high !== "";
  if (state.category === "all" && !filtersEntities) return true;
  if (state.category === "clean") return !tweet.m.length;
  return tweet.m.some((match) => {
    const [gold, predicted, category] = [tweet.g[match[0]], tweet.p[match[1]], report.categories[match[2]]];
    const labels = [gold, predicted].map((entity) => (entity ? report.labels[entity[2]] : "none"));
    const entity = gold || predicted;
    if (state.category === "errors" && category === "correct") return false;
    if (report.categories.includes(state.category) && category !== state.category) return false;
    if (state.type && !labels.includes(state.type)) return false;
    if (state.gold && labels[0] !== state.gold) return false;
    if (state.predicted && labels[1] !== state.predicted) return false;
    if (state.seen && report.seen[entity[3]] !== state.seen) return false;
    return isConfident(predicted, state);
  });
}

function isConfident(predicted, state) {
  if (state.low === "" && state.high === "") return true;
  if (!predicted || predicted[4] < 0) return false;
  const [low, high] = [state.low === "" ? 0 : Number(state.low), state.high === "" ? 100 : Number(state.high)];
  return predicted[4] >= low && predicted[4] <= high;
}

function lowestConfidence(tweet) {
  return Math.min(101, ...tweet.p.map((entity) => (entity[4] < 0 ? 101 : entity[4])));
}

/* Only errors count, to sort by the most confident ones. */
function highestConfidence(tweet) {
  const wrong = tweet.m.filter((match) => match[2] > 0 && match[1] >= 0);
  return Math.max(-1, ...wrong.map((match) => tweet.p[match[1]][4]));
}
