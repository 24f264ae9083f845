// Progress: facts, the learning curve, and the estimate.
import { make } from "./tweet.js";

const WIDTH = 540, HEIGHT = 220, LEFT = 40, BOTTOM = 30;

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function fact(name, value) {
  return make("div", {}, make("dt", { text: name }), make("dd", { text: value }));
}

const percent = (value) => `${Math.round(100 * value)} %`;

export function describeRunning({ running, error, round, summary }) {
  if (running === "finish") return "Writing the pipeline …";
  if (running) return round ? "Learning from your answers …" : "Choosing the first tweets …";
  if (error) return `Training failed (${error}). Your answers are safe; it is tried again later.`;
  return `The pipeline has learned from ${round?.n ?? 0} of ${summary.accepted} answers.`;
}

export function showProgress(progress) {
  const { summary, agreement } = progress;
  const facts = [fact("Answers", summary.answers)];
  if (summary.unchanged !== null) facts.push(fact("Model was right", percent(summary.unchanged)));
  if (summary.seconds !== null) facts.push(fact("Seconds per tweet", summary.seconds));
  if (agreement) facts.push(fact(`Agreement on ${agreement[0]} ${agreement[0] === 1 ? "tweet" : "tweets"}`, percent(agreement[1])));
  document.getElementById("facts").replaceChildren(...facts);
  showCurve(progress.curve.filter(([, , f1]) => f1 !== null));
  document.getElementById("estimate").textContent = describeEstimate(progress);
  const review = document.getElementById("review");
  review.hidden = !progress.disagreements.length;
  review.textContent = `Review disagreements (${progress.disagreements.length})`;
}

function describeEstimate({ estimate }) {
  if (!estimate) return "More answers to random tweets are needed for an estimate.";
  const count = (n) => (n === null ? "over 100,000" : n.toLocaleString("en"));
  return `needs about ${count(estimate.answers)} answers (90 % interval ${count(estimate.low)} to ${count(estimate.high)})`;
}

function showCurve(points) {
  const container = document.getElementById("curve");
  if (!points.length) {
    container.replaceChildren();
    return;
  }
  const most = Math.max(1, ...points.map(([n]) => n));
  const x = (n) => LEFT + ((WIDTH - LEFT - 20) * n) / most;
  const y = (f1) => 10 + (HEIGHT - BOTTOM - 10) * (1 - f1);
  const title = points.map(([n, k, f1]) => `${percent(f1)} after ${n} answers, on ${k} tweets`);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  picture.setAttribute("aria-label", `F1 on random tweets before learning from them: ${title.join("; ")}`);
  for (const f1 of [0, 0.5, 1]) {
    picture.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - 20, y1: y(f1), y2: y(f1) }));
    picture.append(svg("text", { x: LEFT - 6, y: y(f1) + 4, "text-anchor": "end" }, Math.round(100 * f1)));
  }
  picture.append(svg("polyline", { class: "line", points: points.map(([n, , f1]) => `${x(n)},${y(f1)}`).join(" ") }));
  for (const [n, k, f1] of points)
    picture.append(svg("circle", { class: "point", cx: x(n), cy: y(f1), r: 2 + Math.min(6, Math.sqrt(k) / 2) }));
  picture.append(svg("text", { x: x(most), y: HEIGHT - 8, "text-anchor": "end" }, `${most} answers learned`));
  picture.append(svg("text", { x: LEFT, y: HEIGHT - 8 }, "F1 on random tweets, before learning from them"));
  container.replaceChildren(picture);
}
