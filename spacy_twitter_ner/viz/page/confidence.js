/* A reliability diagram: bars are the precision of each bin, dots its mean confidence. Bins with
   few entities are pale. */
function reliabilityChart(name, calibration) {
  const [width, height, left, top, bottom] = [230, 200, 28, 34, 30];
  const side = height - top - bottom;
  const x = (value) => left + 1.15 * side * value;
  const y = (value) => top + side * (1 - value);
  const parts = [
    make("text", { class: "name", x: left, y: 12 }, name),
    make("text", { x: left, y: 26 }, `calibration error ${calibration.ece.toFixed(3)}; by chance ${calibration.chance.toFixed(3)}`),
  ];
  for (const value of [0, 0.5, 1]) {
    parts.push(make("line", { class: "rule", x1: x(0), x2: x(1), y1: y(value), y2: y(value) }));
    parts.push(make("text", { x: left - 4, y: y(value) + 3, "text-anchor": "end" }, String(100 * value)));
    parts.push(make("text", { x: x(value), y: height - 17, "text-anchor": "middle" }, String(100 * value)));
  }
  parts.push(make("text", { x: x(0.5), y: height - 4, "text-anchor": "middle" }, "confidence"));
  const largest = Math.max(...calibration.bins.map((bin) => bin.n));
  const filled = calibration.bins.filter((bin) => bin.n);
  for (const bin of filled) {
    const box = { x: x(bin.low) + 1, width: x(bin.high) - x(bin.low) - 2, y: y(bin.precision), height: y(0) - y(bin.precision) };
    const text = `${percent(bin.low, 0)} to ${percent(bin.high, 0)}%: ${count(bin.n)} predicted, ${percent(bin.precision)}% correct`;
    parts.push(make("rect", { class: "bar", "fill-opacity": (0.25 + (0.6 * bin.n) / largest).toFixed(2), ...box }, make("title", null, text)));
  }
  parts.push(make("line", { class: "best", x1: x(0), x2: x(1), y1: y(0), y2: y(1) }));
  for (const bin of filled) parts.push(make("circle", { class: "dot", cx: x(bin.confidence), cy: y(bin.precision), r: 2.5 }));
  return make("svg", { width: "100%", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Reliability ${name}` }, ...parts);
}

function thresholdTable(points) {
  const cell = (value) => ({ value: value ?? -1, show: () => (value === null ? "-" : percent(value)) });
  const rows = points.map((point) => ({
    cells: [fractionCell(point.threshold, 0), point.n, cell(point.coverage), cell(point.precision), cell(point.recall), cell(point.f)],
  }));
  return sortableTable("Thresholds", ["Threshold", "Entities", "Coverage", "Precision", "Recall", "F1"], rows);
}

function confidenceSection({ before, after, thresholds }) {
  if (!after.entities) return [];
  return [
    make("h2", null, "Confidence"),
    make("p", { class: "quiet" }, "Bars show the precision of each bin, dots its mean confidence. Confidence is calibrated where both meet the line."),
    make("div", { class: "charts" }, reliabilityChart("Before calibration", before), reliabilityChart("After", after)),
    make("p", { class: "quiet" }, "Scores when entities with a lower confidence are removed:"),
    thresholdTable(thresholds),
  ];
}
