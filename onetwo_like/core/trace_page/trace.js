// How is a trace folded, searched and drawn? Everything that is shown is set as text, never as markup.
"use strict";
(() => {
  const AT_ONCE = 200;      // children shown before "more"
  const FOUND_AT_MOST = 500;
  const UNFOLDED_AT_MOST = 300;
  const { spans, total } = JSON.parse(document.getElementById("trace").textContent);
  const children = spans.map(() => []);
  spans.forEach((span, i) => { if (span.parent !== undefined) children[span.parent].push(i); });
  const end = Math.max(1e-6, ...[0], spans.reduce((m, s) => Math.max(m, s.start + (s.duration || 0)), 0));

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const seconds = (s) => s === undefined ? "running"
    : s < 0.001 ? (s * 1e6).toFixed(0) + " µs" : s < 1 ? (s * 1e3).toFixed(s < 0.1 ? 1 : 0) + " ms"
    : s < 100 ? s.toFixed(2) + " s" : s.toFixed(0) + " s";
  const count = (n) => n.toLocaleString("en");
  const dollars = (c) => "$" + (c === 0 ? "0" : c.toPrecision(4).replace(/\.?0+$/, ""));
  const kindOf = (span) => span.cache === "made" || span.cache === "hit" ? span.cache
    : span.error ? "failed" : "body";
  const asText = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 2);

  // What is searched: made when it is first needed.
  let haystack = null;
  const searched = () => haystack = haystack || spans.map((s) =>
    [s.name, s.error || "", ...texts(s.inputs), ...texts(s.output)].join("\n").toLowerCase());
  const texts = (value) => value === undefined || value === null ? []
    : typeof value === "object" ? Object.entries(value).flatMap(([k, v]) => Array.isArray(value) ? texts(v) : [k, ...texts(v)])
    : [String(value)];

  const folded = new Set();
  const opened = new Set();
  const shown = new Map();  // how many children of a span are shown
  let wanted = "";
  let visible = null;       // when searching: what was found, and all above it
  let found = new Set();

  if (spans.length > UNFOLDED_AT_MOST) spans.forEach((_, i) => { if (i > 0 && children[i].length) folded.add(i); });

  const page = document.getElementById("page");
  page.append(header(), toolbar(), axis());
  const tree = page.appendChild(make("div", "tree"));
  tree.setAttribute("role", "tree");
  draw();

  function header() {
    const top = make("header");
    top.append(make("h1", "", spans[0].name === "run" ? "Trace of a run" : spans[0].name));
    const numbers = make("dl", "numbers");
    const say = (what, value) => {
      const pair = make("div");
      pair.append(make("dt", "", what), make("dd", "", value));
      numbers.append(pair);
    };
    say("took", seconds(spans[0].duration));
    say("calls", count(total.calls));
    if (total.replayed) say("replayed", count(total.replayed));
    if (total.failed) say("failed", count(total.failed));
    if (total.input_tokens || total.output_tokens) {
      say("tokens sent", count(total.input_tokens));
      say("received", count(total.output_tokens));
    }
    if (total.cost !== null) { say("cost", dollars(total.cost)); say("paid now", dollars(total.paid)); }
    top.append(numbers);
    return top;
  }

  function toolbar() {
    const bar = make("div", "bar");
    const search = make("input");
    search.type = "search";
    search.placeholder = "Search names, prompts and answers";
    search.setAttribute("aria-label", search.placeholder);
    search.addEventListener("input", () => { look(search.value.trim().toLowerCase()); draw(); });
    const unfold = make("button", "", "Unfold all");
    unfold.addEventListener("click", () => { folded.clear(); draw(); });
    const fold = make("button", "", "Fold all");
    fold.addEventListener("click", () => {
      spans.forEach((_, i) => { if (children[i].length) folded.add(i); });
      opened.clear();
      draw();
    });
    const legend = make("div", "legend");
    for (const [kind, label] of [["made", "call"], ["hit", "replayed"], ["failed", "failed"], ["body", "other"]])
      legend.append(make("span", "is-" + kind, label));
    bar.append(search, unfold, fold, legend);
    return bar;
  }

  function axis() {
    const head = make("div", "axis");
    const overview = make("div", "overview");
    overview.title = "calls under way at once";
    overview.append(underWay());
    for (let k = 0; k <= 4; k++) {
      const tick = make("span", "tick", seconds(end * k / 4).replace(/^0 µs$/, "0"));
      tick.style.left = 25 * k + "%";
      overview.append(tick);
    }
    head.append(make("span", "", "what ran"), make("span", "when", "took"), overview);
    return head;
  }

  // How many calls were under way at each moment, as steps.
  function underWay() {
    const changes = [];
    for (const s of spans) if (s.cache) changes.push([s.start, 1], [s.start + (s.duration || end - s.start), -1]);
    changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let now = 0, most = 1;
    for (const [, by] of changes) most = Math.max(most, now += by);
    now = 0;
    let path = "M0 26";
    for (const [at, by] of changes) {
      const x = (1000 * at / end).toFixed(2);
      path += `L${x} ${(26 - 26 * now / most).toFixed(2)}`;
      now += by;
      path += `L${x} ${(26 - 26 * now / most).toFixed(2)}`;
    }
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 1000 26");
    svg.setAttribute("preserveAspectRatio", "none");
    const area = document.createElementNS("http://www.w3.org/2000/svg", "path");
    area.setAttribute("d", path + "L1000 26Z");
    svg.append(area);
    return svg;
  }

  function look(text) {
    wanted = text;
    visible = null;
    found = new Set();
    if (!text) return;
    visible = new Set();
    const all = searched();
    for (let i = 0; i < spans.length && found.size < FOUND_AT_MOST; i++) {
      if (!all[i].includes(text)) continue;
      found.add(i);
      for (let j = i; j !== undefined && !visible.has(j); j = spans[j].parent) visible.add(j);
    }
  }

  function draw() {
    tree.replaceChildren();
    if (visible && !found.size) {
      tree.append(make("div", "none", "Nothing here says that."));
      return;
    }
    const waiting = [[0, 0]];
    while (waiting.length) {
      const [i, depth] = waiting.pop();
      if (i < 0) { tree.append(more(~i, depth)); continue; }
      tree.append(row(i, depth));
      if (opened.has(i)) tree.append(details(i, depth));
      if (folded.has(i) && !visible) continue;
      const below = visible ? children[i].filter((j) => visible.has(j)) : children[i];
      const limit = shown.get(i) || AT_ONCE;
      if (below.length > limit) waiting.push([~i, depth + 1]);
      for (const j of below.slice(0, limit).reverse()) waiting.push([j, depth + 1]);
    }
    if (found.size >= FOUND_AT_MOST) tree.append(make("div", "none", `The first ${FOUND_AT_MOST} that were found.`));
  }

  function more(i, depth) {
    const limit = shown.get(i) || AT_ONCE;
    const button = make("button", "more", `${count(children[i].length - limit)} more, show them`);
    button.style.marginLeft = 34 + 18 * depth + "px";
    button.addEventListener("click", () => { shown.set(i, limit * 5); draw(); });
    return button;
  }

  function row(i, depth) {
    const span = spans[i];
    const line = make("div", "row is-" + kindOf(span) + (opened.has(i) ? " open" : ""));
    line.tabIndex = 0;
    line.setAttribute("role", "treeitem");
    line.setAttribute("aria-level", depth + 1);
    const name = make("div", "name");
    name.style.paddingLeft = 18 * depth + "px";
    const caret = make("span", "caret", !children[i].length ? "" : folded.has(i) && !visible ? "▸" : "▾");
    const title = marked(make("span", "call"), span.name);
    name.append(caret, title);
    if (span.cache === "hit") name.append(make("span", "badge", "replayed"));
    if (span.error) name.append(make("span", "badge is-failed", span.error.split(":", 1)[0]));
    if (span.attempts) name.append(make("span", "badge is-body", span.attempts + " attempts"));
    name.append(make("span", "glance", glance(span)));
    const track = make("div", "track");
    const bar = make("div", "span");
    bar.style.left = Math.min(99.8, 100 * span.start / end) + "%";
    bar.style.width = 100 * (span.duration === undefined ? end - span.start : span.duration) / end + "%";
    if (span.waiting && span.duration) {
      const held = make("div", "held");
      held.style.width = Math.min(100, 100 * span.waiting / span.duration) + "%";
      bar.append(held);
    }
    bar.title = `${span.name}: from ${seconds(span.start)}, ${seconds(span.duration)}`
      + (span.waiting ? `, of it waited ${seconds(span.waiting)}` : "");
    track.append(bar);
    line.append(name, make("div", "when", seconds(span.duration)), track);
    const fold = (on) => { if (children[i].length) { on ? folded.add(i) : folded.delete(i); draw(); focusOn(i); } };
    const open = () => { opened.has(i) ? opened.delete(i) : opened.add(i); draw(); focusOn(i); };
    caret.addEventListener("click", (event) => { event.stopPropagation(); fold(!folded.has(i)); });
    line.addEventListener("click", open);
    line.addEventListener("keydown", (event) => {
      const act = { Enter: open, " ": open, ArrowLeft: () => fold(true), ArrowRight: () => fold(false),
        ArrowDown: () => step(line, 1), ArrowUp: () => step(line, -1) }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    line.dataset.span = i;
    return line;
  }

  function focusOn(i) {
    const line = tree.querySelector(`[data-span="${i}"]`);
    if (line) line.focus({ preventScroll: true });
  }

  function step(line, by) {
    const lines = [...tree.querySelectorAll(".row")];
    const next = lines[lines.indexOf(line) + by];
    if (next) next.focus();
  }

  // The first words of what went in, and of what came out.
  function glance(span) {
    const short = (value) => {
      const text = (texts(value && typeof value === "object" && !Array.isArray(value) ? Object.values(value) : value)
        .find((t) => t.trim()) || "").trim().replace(/\s+/g, " ");
      return text.length > 70 ? text.slice(0, 70) + "…" : text;
    };
    const into = short(span.inputs), out = short(span.output);
    return into && out ? into + "  →  " + out : into || (out ? "→  " + out : "");
  }

  function details(i, depth) {
    const span = spans[i];
    const box = make("div", "details");
    box.style.paddingLeft = 54 + 18 * depth + "px";
    const facts = [];
    if (span.sample) facts.push("sample " + span.sample);
    if (span.cache) facts.push({ made: "answered by the backend", hit: "replayed from the cache", failed: "the call failed" }[span.cache]);
    if (span.waiting) facts.push("waited " + seconds(span.waiting));
    if (span.attempts) facts.push(span.attempts + " attempts");
    if (span.tokens) facts.push(span.tokens.map((n) => n === null ? "?" : count(n)).join(" + ") + " tokens");
    if (span.cost !== undefined) facts.push(dollars(span.cost));
    if (facts.length) box.append(make("p", "facts", facts.join(" · ")));
    const inputs = span.inputs;
    if (inputs !== undefined && typeof inputs === "object" && !Array.isArray(inputs))
      for (const [name, value] of Object.entries(inputs)) box.append(make("h2", "", name), block(value));
    else if (inputs !== undefined) box.append(make("h2", "", "inputs"), block(inputs));
    if (span.error) box.append(make("h2", "", "error"), block(span.error, "wrong"));
    else box.append(make("h2", "", "output"), block(span.output === undefined ? null : span.output));
    return box;
  }

  function block(value, className) {
    return marked(make("pre", className), asText(value));
  }

  // The text, with what was searched for marked.
  function marked(element, text) {
    if (!wanted) { element.textContent = text; return element; }
    const lower = text.toLowerCase();
    let from = 0;
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
      element.append(text.slice(from, at), make("mark", "", text.slice(at, at + wanted.length)));
      from = at + wanted.length;
    }
    element.append(text.slice(from));
    return element;
  }
})();
