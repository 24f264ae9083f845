/* Create a sortable table. Rows are {cells, total}; a cell is a number, a string, or {value, show}
   with the value to sort by. Total rows stay on top. */
function sortableTable(caption, columns, rows) {
  let sorted = { column: -1, ascending: true };
  const body = make("tbody");
  const heads = columns.map((column, index) =>
    make("th", { scope: "col" }, make("button", { type: "button", onclick: () => sortBy(index) }, column))
  );
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell !== null && typeof cell === "object" ? cell.value : cell;
  };
  function sortBy(column) {
    const isText = typeof valueOf(rows.find((row) => !row.total) || rows[0], column) === "string";
    const ascending = sorted.column === column ? !sorted.ascending : isText;
    sorted = { column, ascending };
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    fill();
  }
  function compare(one, other) {
    if (Boolean(one.total) !== Boolean(other.total)) return one.total ? -1 : 1;
    const [a, b] = [valueOf(one, sorted.column), valueOf(other, sorted.column)];
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return sorted.ascending ? order : -order;
  }
  function fill() {
    const order = sorted.column < 0 ? rows : [...rows].sort(compare);
    body.replaceChildren(
      ...order.map((row) => make("tr", { class: row.total ? "total" : null }, ...row.cells.map(showCell)))
    );
  }
  function showCell(cell) {
    if (cell !== null && typeof cell === "object") return make("td", null, cell.show());
    return make("td", null, typeof cell === "number" ? count(cell) : cell);
  }
  fill();
  return make(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    make("table", null, make("thead", null, make("tr", null, ...heads)), body)
  );
}

const fractionCell = (value, digits = 1) => ({ value, show: () => percent(value, digits) });
const nameCell = (label) => ({ value: label, show: () => typeCell(label) });

function prfCells(scores) {
  return [fractionCell(scores.p), fractionCell(scores.r), fractionCell(scores.f)];
}

function typeTable(quality) {
  const row = (name, scores, total) => ({
    total,
    cells: [
      nameCell(name), scores.n_gold, scores.n_predicted, scores.n_correct, ...prfCells(scores),
      { value: scores.high - scores.low, show: () => rangeChart(scores) },
    ],
  });
  const rows = [
    row("all types", quality.overall, true),
    row("ignoring types", quality.span_only, true),
    ...quality.labels.map((label) => row(label, quality.per_type[label])),
  ];
  const columns = ["Type", "Gold", "Predicted", "Correct", "Precision", "Recall", "F1", "95% interval of F1"];
  return sortableTable("Scores by type", columns, rows);
}

function categoryTable(quality) {
  const rows = Object.entries(quality.categories).map(([name, counts]) => ({
    total: name === "all types",
    cells: [nameCell(name), ...report.categories.map((category) => counts[category])],
  }));
  const columns = ["Type", ...report.categories.map((name) => name[0].toUpperCase() + name.slice(1))];
  return sortableTable("Errors by type", columns, rows);
}

function schemaTable(quality) {
  const explained = {
    strict: "strict: boundaries and type", exact: "exact: boundaries",
    partial: "partial: overlap counts half", type: "type: overlap and type",
  };
  const rows = Object.entries(quality.schemas).map(([name, s]) => ({
    cells: [explained[name], s.correct, s.incorrect, s.partial, s.missed, s.spurious, ...prfCells(s)],
  }));
  return sortableTable(
    "Partial matches", ["Schema", "Correct", "Incorrect", "Partial", "Missed", "Spurious", "P", "R", "F1"], rows
  );
}

function sliceTable(name, groups) {
  const rows = Object.entries(groups).map(([kind, scores]) => ({
    cells: [kind, scores.n_gold, ...prfCells(scores)],
  }));
  return sortableTable(name, [name, "Gold", "P", "R", "F1"], rows);
}

function splitTable() {
  const labels = ["all types", ...report.labels];
  const columns = ["Type", ...report.splits.flatMap((s) => ["P", "R", "F1"].map((c) => `${s.name} ${c}`))];
  const nothing = { p: 0, r: 0, f: 0 };
  const rows = labels.map((label, index) => ({
    total: index === 0,
    cells: [
      nameCell(label),
      ...report.splits.flatMap(({ quality }) =>
        prfCells(index === 0 ? quality.overall : quality.per_type[label] || nothing)
      ),
    ],
  }));
  return sortableTable("All splits", columns, rows);
}

function differenceTable(differences) {
  const rows = Object.entries(differences).flatMap(([name, byType]) =>
    Object.entries(byType).map(([label, d]) => ({
      total: label === "all types",
      cells: [
        name, nameCell(label), fractionCell(d.f), fractionCell(d.other),
        { value: d.f - d.other, show: () => signed(d.f - d.other) },
        { value: d.low, show: () => `${signed(d.low)} to ${signed(d.high)}` },
        { value: d.p_value, show: () => d.p_value.toFixed(3) },
      ],
    }))
  );
  const columns = ["Other model", "Type", "F1", "Other F1", "Difference", "95% interval", "p"];
  return sortableTable("Other models", columns, rows);
}

const signed = (value) => (value < 0 ? "−" : "+") + percent(Math.abs(value));

function confusionTable(quality, onCell) {
  const names = [...quality.labels, "none"];
  const head = make(
    "tr", null, make("th", { scope: "col" }, make("span", null, "gold ↓ predicted →")),
    ...names.map((name) => make("th", { scope: "col" }, make("span", null, name)))
  );
  const rows = quality.confusion.map((row, gold) => {
    const total = row.reduce((sum, value) => sum + value, 0);
    const cells = row.map((value, predicted) => {
      // Fractions of the row's entities. Spurious entities have no total, so the row's maximum is 1.
      const share = gold === names.length - 1 ? value / Math.max(...row, 1) : value / Math.max(total, 1);
      const title = `${names[gold]} predicted as ${names[predicted]}: ${value}`;
      const classes = [share > 0.85 ? "deep" : share > 0.62 ? "mid" : "", gold === predicted && gold < names.length - 1 ? "right" : ""];
      return make(
        "td", { class: classes.join(" "), "--alpha": (0.9 * share).toFixed(3) },
        value ? make("button", { type: "button", title, "aria-label": title, onclick: () => onCell(names[gold], names[predicted]) }, String(value)) : null
      );
    });
    return make("tr", null, make("th", { scope: "row" }, names[gold]), ...cells);
  });
  return make(
    "div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Confusions" },
    make("table", { class: "confusion" }, make("thead", null, head), make("tbody", null, ...rows))
  );
}
