/* Show a tweet with its gold and predicted entities, errors and probabilities. */
function tweetCard(state, number) {
  const tweet = findSplit(state).tweets[number - 1];
  const link = writeAddress({ ...EMPTY, split: state.split, tweet: number });
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const wrong = { g: new Set(), p: new Set() };
  for (const [gold, predicted, category] of tweet.m) {
    if (category === 0) continue;
    wrong.g.add(gold);
    wrong.p.add(predicted);
  }
  return make(
    "article",
    { class: `tweet${state.tweet === number ? " target" : ""}`, tabindex: "0", id: `tweet-${number}`, "aria-label": `Tweet ${number}`, "data-number": number },
    make("div", { class: "tweet-head" }, make("a", { href: link, title: "Link to this tweet" }, `${state.split} ${count(number)}`), ...matchBadges(tweet)),
    make(
      "div", { class: "sides" },
      make("div", { class: "side" }, make("span", { class: "quiet" }, "Gold"), ...markedText(tweet, tweet.g, wrong.g, words)),
      make("div", { class: "side" }, make("span", { class: "quiet" }, "Predicted"), ...markedText(tweet, tweet.p, wrong.p, words))
    ),
    ...(tweet.q ? [probabilityStrip(tweet), probabilityTable(tweet)] : [])
  );
}

function textOf(tweet, entity) {
  return tweet.w.slice(entity[0], entity[1]).join(" ");
}

function matchBadges(tweet) {
  return tweet.m.map(([gold, predicted, category]) => {
    const entity = tweet.g[gold] || tweet.p[predicted];
    const name = report.categories[category];
    const seen = entity[3] >= 0 ? `, ${report.seen[entity[3]]} in the training data` : "";
    return make(
      "span", { class: `badge ${category ? "error" : "correct"}`, title: `${textOf(tweet, entity)}: ${name}${seen}` },
      `${name}: ${textOf(tweet, entity)}`
    );
  });
}

/* The words with entities marked, as in displaCy. */
function markedText(tweet, entities, wrong, searched) {
  const parts = [];
  let index = 0;
  entities.forEach((entity, i) => {
    const [start, end, label, , confidence] = entity;
    parts.push(...plainText(tweet.w.slice(index, start), searched));
    const note = report.labels[label] + (confidence >= 0 ? ` ${confidence}%` : "");
    parts.push(
      make("mark", { class: wrong.has(i) ? "wrong" : null, "--type": colorOf(report.labels[label]) }, textOf(tweet, entity), " ", make("small", null, note)),
      " "
    );
    index = end;
  });
  parts.push(...plainText(tweet.w.slice(index), searched));
  return parts;
}

function plainText(words, searched) {
  return words.map((word) => {
    const isHit = searched.some((part) => word.toLowerCase().includes(part));
    return isHit ? make("span", null, make("mark", { class: "hit" }, word), " ") : `${word} `;
  });
}

function predictedTags(tweet) {
  const tags = tweet.w.map(() => "O");
  for (const [start, end, label] of tweet.p) {
    for (let i = start; i < end; i++) tags[i] = `${i === start ? "B" : "I"}-${report.labels[label]}`;
  }
  return tags;
}

/* Show each word above a bar with the probability of its predicted tag, uncertain ones with the number. */
function probabilityStrip(tweet) {
  const tags = predictedTags(tweet);
  const tokens = tweet.w.map((word, i) => {
    const share = probabilityOf(tweet.q[i], tags[i]);
    const isUnsure = tags[i] !== "O" || share < 90;
    const color = tags[i] === "O" ? null : colorOf(tags[i].slice(2));
    return make(
      "span", { class: `token${isUnsure ? " unsure" : ""}`, title: describe(tweet.q[i]) },
      make("span", null, word),
      make("i", { "--p": `${share}%`, ...(color ? { "--type": color } : {}) }),
      isUnsure ? make("em", null, String(share)) : null
    );
  });
  return make("div", { class: "strip", "aria-label": "Probability of the predicted tag, in percent" }, ...tokens);
}

function tagPairs(probable) {
  if (!probable) return [["O", 98]];
  const pairs = [];
  for (let i = 0; i < probable.length; i += 2) pairs.push([report.tags[probable[i]], probable[i + 1]]);
  return pairs;
}

function probabilityOf(probable, tag) {
  const pair = tagPairs(probable).find(([name]) => name === tag);
  return pair ? pair[1] : 0;
}

function describe(probable) {
  return probable ? tagPairs(probable).map(([tag, share]) => `${tag} ${share}%`).join(", ") : "O 98% or more";
}

function probabilityTable(tweet) {
  const unsure = tweet.w.map((word, i) => [word, tweet.q[i]]).filter(([, probable]) => probable);
  if (!unsure.length) return null;
  const details = make("details", null, make("summary", null, `Probable tags of ${plural(unsure.length, "word")}`));
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    const rows = unsure.map(([word, probable]) => make("tr", null, make("td", null, word), ...tagPairs(probable).map(([tag, share]) => make("td", null, `${tag} ${share}%`))));
    details.append(make("div", { class: "wide" }, make("table", null, make("tbody", null, ...rows))));
  });
  return details;
}
