/* A score and its interval on an axis from 0 to 100, followed by the bounds. */
function rangeChart(scores) {
  const [width, height, x] = [110, 14, (value) => 3 + 104 * value];
  const label = `${percent(scores.low)} to ${percent(scores.high)}`;
  return make(
    "span", null,
    make(
      "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
      make("line", { class: "rule", x1: x(0), x2: x(1), y1: 7, y2: 7 }),
      make("line", { class: "range", x1: x(scores.low), x2: x(scores.high), y1: 7, y2: 7, "stroke-width": 4 }),
      make("circle", { class: "point", cx: x(scores.f), cy: 7, r: 3.5 })
    ),
    make("span", { class: "bounds" }, `${percent(scores.low, 0)}–${percent(scores.high, 0)}`)
  );
}

function curveChart(name, points, read, bestStep) {
  const [width, height, left, right, top, bottom] = [230, 132, 24, 28, 20, 20];
  const lastStep = Math.max(points[points.length - 1].step, 1);
  const x = (step) => left + ((width - left - right) * step) / lastStep;
  const y = (value) => top + (height - top - bottom) * (1 - value);
  const parts = [make("text", { class: "name", x: left, y: 12 }, name)];
  for (const value of [0, 0.5, 1]) {
    parts.push(make("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    parts.push(make("text", { x: left - 4, y: y(value) + 3, "text-anchor": "end" }, String(100 * value)));
  }
  parts.push(make("line", { class: "best", x1: x(bestStep), x2: x(bestStep), y1: y(1), y2: y(0) }));
  parts.push(make("text", { x: left, y: height - 6 }, "0"));
  parts.push(make("text", { x: width - right, y: height - 6, "text-anchor": "end" }, `${count(lastStep)} batches`));
  const ends = [];
  for (const split of ["train", "validation"]) {
    const line = points.filter((p) => p[split] && read(p[split]) !== null).map((p) => [p.step, read(p[split])]);
    if (!line.length) continue;
    const path = line.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`);
    const last = line[line.length - 1][1];
    parts.push(make("path", { class: split, d: path.join("") }, make("title", null, `${split}: ${percent(last)} at the end`)));
    ends.push({ split, value: last, y: y(last) });
  }
  ends.sort((one, other) => one.y - other.y);
  if (ends.length === 2 && ends[1].y - ends[0].y < 11) {
    const shift = (11 - (ends[1].y - ends[0].y)) / 2;
    ends[0].y -= shift;
    ends[1].y += shift;
  }
  for (const end of ends) {
    parts.push(make("text", { class: end.split, x: width - right + 4, y: end.y + 3.5 }, percent(end.value, 0)));
  }
  return make("svg", { width: "100%", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Curves of ${name}` }, ...parts);
}

function curvesSection() {
  const points = report.curves;
  const best = points.reduce((one, other) => (other.score > one.score ? other : one)).step;
  const labels = new Set(points.flatMap((p) => Object.keys(p.validation.per_type)));
  const charts = make("div", { class: "charts" });
  function draw(key) {
    const readers = [["all types", (scores) => scores[key]]];
    for (const label of [...labels].sort()) {
      readers.push([label, (scores) => (label in scores.per_type ? scores.per_type[label][key] : null)]);
    }
    charts.replaceChildren(...readers.map(([name, read]) => curveChart(name, points, read, best)));
    for (const button of tabs.children) button.setAttribute("aria-pressed", button.value === key);
  }
  const names = { f: "F1", p: "Precision", r: "Recall" };
  const tabs = make(
    "div", { class: "tabs", role: "group", "aria-label": "Score" },
    ...Object.entries(names).map(([key, name]) =>
      make("button", { type: "button", value: key, onclick: () => draw(key) }, name)
    )
  );
  draw("f");
  const key = make(
    "p", { class: "quiet" }, make("span", { class: "key validation" }, "— validation"), "  ",
    make("span", { class: "key train" }, "— sample of the training data"), "  ┊ best model"
  );
  return [make("h2", null, "Training curves"), make("div", { class: "head-row" }, tabs, key), charts];
}
