// The tweet being annotated: spans over tokens, selection, undo. Offsets of the API count code
// points, so texts are arrays of characters. Texts are only inserted as text nodes.

export function make(name, { text, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

export class Tweet {
  constructor(item) {
    this.item = item;
    this.characters = Array.from(item.text);
    this.started = performance.now();
    // A span: first and last token, and its type; null if the annotator isn't sure.
    this.spans = this.toTokens(item.spans.map(([start, end, label]) => ({ start, end, label })));
    this.history = [];
    this.anchor = this.cursor = 0;
    this.isSelecting = false;
    this.current = null;
  }

  toTokens(spans) {
    const { tokens } = this.item;
    return spans
      .map(({ start, end, label }) => {
        const inside = tokens.map((_, i) => i).filter((i) => tokens[i][0] < end && start < tokens[i][1]);
        return { first: inside[0], last: inside.at(-1), label };
      })
      .filter(({ first }) => first !== undefined);
  }

  get selection() {
    return [Math.min(this.anchor, this.cursor), Math.max(this.anchor, this.cursor)];
  }

  word(first, last = first) {
    const { tokens } = this.item;
    return this.characters.slice(tokens[first][0], tokens[last][1]).join("");
  }

  spanAt(token) {
    return this.spans.find(({ first, last }) => first <= token && token <= last) ?? null;
  }

  change(spans) {
    this.history.push(this.spans);
    this.spans = spans.sort((a, b) => a.first - b.first);
  }

  undo() {
    if (!this.history.length) return false;
    this.spans = this.history.pop();
    this.current = null;
    return true;
  }

  // Give the current span or the selected words a type, or null for "not sure".
  assign(label) {
    if (this.current) {
      const replaced = { ...this.current, label };
      this.change([...this.spans.filter((span) => span !== this.current), replaced]);
      this.current = replaced;
      return;
    }
    const [first, last] = this.selection;
    const kept = this.spans.filter((span) => span.last < first || span.first > last);
    this.change([...kept, { first, last, label }]);
    this.isSelecting = false;
    this.anchor = this.cursor = last;
  }

  remove() {
    const target = this.current ?? this.spanAt(this.cursor);
    if (!target) return false;
    this.change(this.spans.filter((span) => span !== target));
    this.current = null;
    return true;
  }

  // Move the cursor by one word. A span is one step, unless words are being selected.
  move(step, isSelecting) {
    const last = this.item.tokens.length - 1;
    let next = this.cursor + step;
    if (!isSelecting && this.current)
      next = step > 0 ? this.current.last + 1 : this.current.first - 1;
    this.cursor = Math.max(0, Math.min(last, next));
    if (!isSelecting) this.anchor = this.cursor;
    this.isSelecting = isSelecting;
    this.current = isSelecting ? null : this.spanAt(this.cursor);
  }

  toAnswer(action) {
    const { tokens } = this.item;
    const offsets = ({ first, last }) => [tokens[first][0], tokens[last][1]];
    const sure = this.spans.filter(({ label }) => label !== null);
    const unsure = this.spans.filter(({ label }) => label === null);
    return {
      tweet: this.item.tweet,
      action,
      spans: sure.map((span) => [...offsets(span), span.label]),
      unsure: unsure.map(offsets),
      seconds: Math.min(86_400, (performance.now() - this.started) / 1000),
    };
  }

  load(version) {
    const spans = version.spans.map(([start, end, label]) => ({ start, end, label }));
    const unsure = version.unsure.map(([start, end]) => ({ start, end, label: null }));
    this.change(this.toTokens([...spans, ...unsure]));
    this.current = null;
  }

  render(container, colors) {
    const { tokens } = this.item;
    const [low, high] = this.selection;
    const parts = [];
    let end = 0;
    let open = null;
    tokens.forEach(([start, stop], i) => {
      const span = this.spanAt(i);
      const gap = this.characters.slice(end, start).join("");
      const word = make("span", { class: "word", "data-token": i, text: this.word(i) });
      if (i === this.cursor) word.classList.add("cursor");
      if (!this.current && this.isSelecting && low <= i && i <= high) word.classList.add("selected");
      if (span && open?.span === span) open.mark.append(gap, word);
      else {
        parts.push(gap);
        open = span && { span, mark: this.mark(span, colors) };
        if (open) open.mark.append(word);
        parts.push(open ? open.mark : word);
      }
      if (span && span.last === i)
        open.mark.append(make("small", { text: ` ${span.label ?? "not sure"}` }));
      end = stop;
    });
    parts.push(this.characters.slice(end).join(""));
    container.replaceChildren(...parts);
  }

  mark(span, colors) {
    const mark = make("mark", {});
    mark.style.setProperty("--type", colors[span.label] ?? "#cfd4da");
    mark.classList.toggle("unsure", span.label === null);
    mark.classList.toggle("current", span === this.current);
    return mark;
  }
}
