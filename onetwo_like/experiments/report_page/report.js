// How are the rows of a report unpacked, searched, sorted and opened? All that is shown is set as text.
"use strict";
(async () => {
  const AT_ONCE = 50;   // rows on one page of the table
  const GLANCE = 160;   // letters of a text shown in the table

  const make = (tag, className, ...inside) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...inside.filter((part) => part !== null && part !== undefined));
    return element;
  };
  const place = document.getElementById("table");

  async function unpacked() {
    const text = document.getElementById("rows").textContent;
    const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).json();
  }
  if (!window.DecompressionStream) {
    place.append(make("p", "warning", "This browser cannot unpack the rows: it has no DecompressionStream. "
      + "Chromium 80, Firefox 113 and Safari 16.4 have it, and all later ones."));
    return;
  }
  const { values, arms, metrics, yes_no: yesNo, examples, rows, calls, excluded } = await unpacked();

  // A line is one sample of one example: the rows of all arms side by side; -1 where an arm has none.
  const A = arms.length;
  const lines = [];
  {
    const found = new Map();
    rows.arm.forEach((arm, row) => {
      const key = rows.example[row] + "/" + rows.sample[row];
      let line = found.get(key);
      if (!line) {
        found.set(key, line = { example: rows.example[row], sample: rows.sample[row], rows: new Array(A).fill(-1) });
        lines.push(line);
      }
      line.rows[arm] = row;
    });
  }
  lines.sort((a, b) => a.example - b.example || a.sample - b.sample);
  lines.forEach((line, i) => line.place = i);
  const samples = lines.reduce((most, line) => Math.max(most, line.sample + 1), 1);
  const hasTarget = examples.target.some((v) => v);
  const excludedOf = new Map();
  excluded.example.forEach((example, i) => excludedOf.set(example, [...excludedOf.get(example) || [], i]));

  // Words and figures, as the other half of the page writes them.
  const DASH = "–";
  const group = (x, decimals) => Math.abs(x).toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const number = (x) => {
    if (x === null || x === undefined) return DASH;
    const size = Math.abs(x);
    const shown = size > 0 && size < 0.001 ? String(+size.toPrecision(2))
      : Number.isInteger(x) ? group(x, 0) : group(x, size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0);
    return (x < 0 ? "−" : "") + shown;
  };
  const score = (x, metric) => x !== null && yesNo[metric] && (x === 0 || x === 1) ? (x ? "yes" : "no") : number(x);
  const count = (x) => x === null ? DASH : x.toLocaleString("en");
  const dollars = (x) => x === null ? DASH : x === 0 ? "$0" : x >= 1 ? "$" + group(x, 2) : "$" + +x.toPrecision(3);
  const seconds = (s) => s === null ? DASH : s < 1 ? (s * 1e3).toFixed(s < 0.01 ? 2 : 0) + " ms" : s.toFixed(s < 10 ? 2 : s < 100 ? 1 : 0) + " s";
  const asText = (v) => typeof v === "string" ? v : JSON.stringify(v, null, 2);
  const value = (v) => v === null || v === undefined ? "" : asText(values[v] === undefined ? null : values[v]);
  const glance = (text) => {
    text = text.trim();
    if (text.length <= GLANCE) return text;
    const at = text.lastIndexOf(" ", GLANCE);
    return text.slice(0, at > GLANCE / 2 ? at : GLANCE) + "…";
  };
  const sum = (a, b) => a === null && b === null ? null : (a || 0) + (b || 0);
  const statusOf = (row) => row < 0 ? "not run" : values[rows.status[row]];
  const route = (line) => "#" + new URLSearchParams({ example: examples.id[line.example], sample: line.sample });

  // What is asked for.
  let metric = 0, wanted = "", shown = "all", wide = false;
  let order = { column: null, down: false };
  let page = 0, visible = lines;

  function columns() {
    const all = [{ label: "Example", kind: "id", of: (l) => examples.id[l.example] }];
    if (samples > 1) all.push({ label: "Sample", kind: "figure", of: (l) => l.sample, said: (x) => String(x) });
    all.push({ label: "Input", kind: "text", of: (l) => value(examples.input[l.example]) });
    if (hasTarget) all.push({ label: "Target", kind: "text", of: (l) => value(examples.target[l.example]) });
    arms.forEach((_, arm) => {
      const of = (column, map) => (l) => l.rows[arm] < 0 ? null : map ? map(l.rows[arm]) : column[l.rows[arm]];
      all.push({ arm, label: "Answer", kind: "text", of: (l) => l.rows[arm] < 0 ? "" : value(rows.prediction[l.rows[arm]]) });
      if (metrics.length) all.push({ arm, label: metrics[metric], kind: "figure", of: of(rows.scores[metric]), said: (x) => score(x, metric) });
      if (!wide) return;
      all.push({ arm, label: "Status", kind: "word", of: (l) => statusOf(l.rows[arm]) });
      all.push({ arm, label: "Tokens in", kind: "figure", of: of(rows.input_tokens), said: count });
      all.push({ arm, label: "Tokens out", kind: "figure", of: of(rows.output_tokens), said: count });
      all.push({ arm, label: "Cost", kind: "figure", of: of(rows.cost), said: dollars });
      all.push({ arm, label: "Latency", kind: "figure", of: of(rows.latency_s), said: seconds });
      all.push({ arm, label: "Cache", kind: "word", of: of(null, (r) => value(rows.cache[r])) });
    });
    if (A > 1 && metrics.length)
      all.push({ label: A === 2 ? "Difference" : "Spread", kind: "figure", of: apart, said: (x) => x > 0 && A === 2 ? "+" + number(x) : number(x) });
    return all;
  }

  // By how much the arms part in the metric: second minus first, or the largest minus the smallest of more.
  function apart(line) {
    const found = line.rows.map((row) => row < 0 ? null : rows.scores[metric][row]).filter((x) => x !== null);
    if (found.length < 2) return null;
    return A === 2 ? found[1] - found[0] : Math.max(...found) - Math.min(...found);
  }

  const FILTERS = {
    all: ["all", () => true],
    ...(A > 1 ? {
      apart: ["scores differ between arms", (l) => !!apart(l)],
      answers: ["answers differ between arms", (l) => new Set(l.rows.filter((r) => r >= 0).map((r) => rows.prediction[r])).size > 1],
    } : {}),
    failed: ["without an answer", (l) => l.rows.some((row) => statusOf(row) !== "ok")],
    unscored: ["without a score", (l) => l.rows.some((row) => row < 0 || rows.scores.length && rows.scores[metric][row] === null)],
    excluded: ["excluded from the statistics", (l) => excludedOf.has(l.example)],
  };

  // A text that many rows share is searched once.
  let lower = null;
  function found() {
    if (!wanted) return () => true;
    lower = lower || values.map((v) => v === null ? "" : asText(v).toLowerCase());
    const said = lower.map((text) => text.includes(wanted));
    const ids = examples.id.map((id) => id.toLowerCase().includes(wanted));
    return (l) => ids[l.example] || said[examples.input[l.example]] || said[examples.target[l.example]]
      || l.rows.some((r) => r >= 0 && (said[rows.prediction[r]] || said[rows.error[r]]));
  }

  function select() {
    const says = found(), fits = FILTERS[shown][1];
    visible = lines.filter((line) => fits(line) && says(line));
    const column = columns().find((c) => nameOf(c) === order.column);
    if (column) {
      const collator = new Intl.Collator("en", { numeric: true });
      const keyed = visible.map((line) => [column.of(line), line]);
      const none = (key) => key === null || key === "";
      const compare = typeof (keyed.find(([key]) => !none(key)) || [0])[0] === "string"
        ? (a, b) => collator.compare(a.slice(0, 200), b.slice(0, 200)) : (a, b) => a - b;
      // What is not there comes last, whichever way.
      keyed.sort(([a, x], [b, y]) => none(a) || none(b) ? none(a) - none(b) || x.place - y.place
        : (order.down ? -compare(a, b) : compare(a, b)) || x.place - y.place);
      visible = keyed.map(([, line]) => line);
    }
    page = 0;
    draw();
  }
  const nameOf = (column) => [column.arm, column.label].join("/");

  // The table: head, rows of this page, and where one is.
  const field = (label, className, input) => make("label", className, label, input);
  const choice = (options, act) => {
    const list = make("select");
    options.forEach(([name, label]) => { const option = make("option", "", label); option.value = name; list.append(option); });
    list.addEventListener("change", () => { act(list.value); select(); });
    return list;
  };
  const search = make("input");
  search.type = "search";
  search.placeholder = "ids, inputs, targets, answers, errors";
  search.addEventListener("input", () => { wanted = search.value.trim().toLowerCase(); select(); });
  const tick = make("input");
  tick.type = "checkbox";
  tick.addEventListener("change", () => { wide = tick.checked; select(); });
  const tools = make("div", "tools", field("Search", "wide", search),
    field("Show", "", choice(Object.entries(FILTERS).map(([name, [label]]) => [name, label]), (name) => shown = name)),
    metrics.length > 1 ? field("Metric", "", choice(metrics.map((name, i) => [String(i), name]), (i) => metric = +i)) : null,
    make("label", "tick", tick, "tokens, cost and latency"));
  const status = make("p", "status");
  status.setAttribute("role", "status");
  const table = make("table", "rows");
  const scroll = make("div", "scroll", table);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Examples");
  const turn = (label, by) => {
    const button = make("button", "button", label);
    button.type = "button";
    button.addEventListener("click", () => { page += by; draw(); });
    return button;
  };
  const back = turn("Previous", -1), next = turn("Next", 1);
  const at = make("input");
  at.type = "number";
  at.min = 1;
  at.setAttribute("aria-label", "Page");
  at.addEventListener("change", () => { page = Math.max(0, Math.min(pages() - 1, Math.floor(at.value) - 1 || 0)); draw(); });
  const of = make("span");
  const pages = () => Math.max(1, Math.ceil(visible.length / AT_ONCE));
  place.append(tools, status, scroll, make("div", "pages", back, make("span", "", "page"), at, of, next));

  function draw() {
    const all = columns();
    const body = make("tbody");
    const from = page * AT_ONCE;
    for (const line of visible.slice(from, from + AT_ONCE)) body.append(drawn(line, all));
    table.replaceChildren(make("caption", "", "Examples"), heads(all), body);
    if (!visible.length) {
      const cell = make("td", "none", "No row fits.");
      cell.colSpan = all.length;
      body.append(make("tr", "", cell));
    }
    const some = visible.length ? `${count(from + 1)} to ${count(Math.min(from + AT_ONCE, visible.length))} of ` : "";
    status.textContent = some + count(visible.length) + (visible.length === 1 ? " row" : " rows")
      + (visible.length < lines.length ? `, out of ${count(lines.length)}` : "");
    back.disabled = page === 0;
    next.disabled = page >= pages() - 1;
    at.max = pages();
    at.value = page + 1;
    of.textContent = "of " + count(pages());
  }

  function heads(all) {
    const head = make("thead");
    const col = (label, scope, className) => {
      const cell = make("th", className || "", label);
      cell.scope = scope;
      return cell;
    };
    if (A > 1) {
      const groups = make("tr");
      for (let i = 0; i < all.length;) {
        let j = i + 1;
        while (j < all.length && all[j].arm === all[i].arm) j++;
        const arm = all[i].arm;
        const cell = arm === undefined ? make("td") : col(armed(arm), "colgroup");
        cell.colSpan = j - i;
        groups.append(cell);
        i = j;
      }
      head.append(groups);
    }
    const names = make("tr");
    for (const column of all) {
      const button = make("button", "", column.label);
      button.type = "button";
      const cell = col(button, "col", column.kind === "figure" ? "figure" : "");
      const own = order.column === nameOf(column);
      cell.setAttribute("aria-sort", !own ? "none" : order.down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        order = { column: nameOf(column), down: own && !order.down };
        select();
        [...table.querySelectorAll("th button")][all.indexOf(column)].focus();
      });
      names.append(cell);
    }
    head.append(names);
    return head;
  }

  const armed = (arm) => make("span", "", make("span", "arm arm-" + arm % 6), make("code", "", arms[arm]));

  function drawn(line, all) {
    const row = make("tr");
    all.forEach((column, i) => {
      const held = column.of(line);
      const cell = make(i ? "td" : "th", column.kind);
      if (i === 0) {
        const link = make("a", "", held);
        link.href = route(line);
        cell.scope = "row";
        cell.append(link);
      } else cell.append(column.said ? column.said(held) : glance(held || ""));
      if (column.arm !== undefined && column.label === "Answer") {
        const r = line.rows[column.arm];
        if (statusOf(r) !== "ok") cell.append(make("span", "bad", statusOf(r) + (r >= 0 && rows.error[r] ? ": " + glance(value(rows.error[r])) : "")));
      }
      row.append(cell);
    });
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a") && !String(getSelection())) open(route(line));
    });
    return row;
  }

  // One example: what went in, what each arm made of it, and each call.
  const dialog = document.getElementById("example");
  let mayGoBack = false;
  const open = (to) => { mayGoBack = true; location.hash = to; };
  document.addEventListener("click", (event) => {
    if (event.target.closest('a[href^="#example="]')) mayGoBack = true;
  });
  dialog.addEventListener("close", () => {
    if (!asked()) return;
    if (mayGoBack) history.back();
    else location.replace("#all");  // names no element, so nothing scrolls
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("hashchange", follow);

  function asked() {
    if (!location.hash.startsWith("#example=")) return null;
    const given = new URLSearchParams(location.hash.slice(1));
    return { id: given.get("example"), sample: +given.get("sample") || 0 };
  }

  function follow() {
    const given = asked();
    if (!given) { if (dialog.open) dialog.close(); return; }
    const example = examples.id.indexOf(given.id);
    const line = lines.find((l) => l.example === example && l.sample === given.sample);
    dialog.replaceChildren(...line ? told(line) : [top("There is no such example: " + given.id)]);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function top(title, ...more) {
    const heading = make("h2", "", title);
    heading.id = "example-title";
    const shut = make("button", "button", "Close");
    shut.type = "button";
    shut.addEventListener("click", () => dialog.close());
    return make("div", "top", heading, ...more, shut);
  }

  function told(line) {
    const here = visible.indexOf(line);
    const step = (label, by) => {
      const to = here < 0 ? undefined : visible[here + by];
      const button = make("button", "button", label);
      button.type = "button";
      button.disabled = !to;
      button.addEventListener("click", () => location.replace(route(to)));
      return button;
    };
    const title = examples.id[line.example] + (samples > 1 ? `, sample ${line.sample}` : "");
    const parts = [top(title, step("Previous", -1), step("Next", 1))];
    if (samples > 1) {
      const links = make("nav", "samples", "Samples");
      links.setAttribute("aria-label", "Samples");
      for (const other of lines) if (other.example === line.example) {
        const link = make("a", "", String(other.sample));
        link.href = route(other);
        if (other === line) link.setAttribute("aria-current", "true");
        link.addEventListener("click", (event) => { event.preventDefault(); location.replace(link.href); });
        links.append(link);
      }
      parts.push(links);
    }
    const given = make("div", "sides", side("Input", examples.input[line.example]));
    if (hasTarget) given.append(side("Target", examples.target[line.example]));
    parts.push(given, make("div", "sides", ...line.rows.map((row, arm) => answer(line, row, arm))));
    return parts;
  }

  const kindOf = (v) => v === null ? "nothing" : Array.isArray(v) ? "list" : typeof v;
  function side(label, v) {
    const held = values[v];
    const kind = typeof held === "string" ? "" : ` (${kindOf(held)})`;
    return make("div", "", make("h4", "", label + kind), make("pre", "", held === null ? DASH : asText(held)));
  }

  function facts(of, i) {
    const cache = value(of.cache[i]);
    return [
      { made: "asked now", hit: "from the cache", mixed: "partly from the cache", failed: "the call failed" }[cache] || cache,
      of.latency_s[i] === null ? "" : seconds(of.latency_s[i]),
      of.input_tokens[i] === null && of.output_tokens[i] === null ? "" : `${count(of.input_tokens[i])} + ${count(of.output_tokens[i])} tokens`,
      of.cost[i] === null ? "" : dollars(of.cost[i]),
    ].filter((text) => text);
  }

  function answer(line, row, arm) {
    const box = make("section", "", make("h3", "", armed(arm)));
    if (row < 0) { box.append(make("p", "bad", "not run")); return box; }
    const state = statusOf(row);
    if (state === "ok") box.append(side("Answer", rows.prediction[row]));
    else box.append(make("h4", "", state), make("pre", "wrong", value(rows.error[row]) || state));
    const marks = make("p", "marks");
    metrics.forEach((name, m) => marks.append(make("span", "", make("code", "", name), " ", make("strong", "", score(rows.scores[m][row], m)))));
    box.append(marks);
    metrics.forEach((name, m) => { if (rows.details[m][row]) box.append(side(name + ", details", rows.details[m][row])); });
    for (const i of excludedOf.get(line.example) || [])
      if (excluded.arm[i] === arm || excluded.arm[i] === null)
        box.append(make("p", "facts bad", `Excluded from ${value(excluded.metric[i]) || "the statistics"}: ${value(excluded.reason[i])}`));
    box.append(make("p", "facts", facts(rows, row).join(" · ")));
    for (let i = firstCall(row); i < calls.row.length && calls.row[i] === row; i++) {
      const model = value(calls.model_version[i]);
      box.append(make("div", "call", make("h4", "", make("code", "", value(calls.operation[i])), model ? " · " + model : ""),
        make("p", "facts", facts(calls, i).join(" · ")), side("Prompt as sent", calls.prompt[i]), side("Answer", calls.answer[i])));
    }
    return box;
  }

  // Calls are in the order of their rows.
  function firstCall(row) {
    let low = 0, high = calls.row.length;
    while (low < high) { const middle = (low + high) >> 1; if (calls.row[middle] < row) low = middle + 1; else high = middle; }
    return low;
  }

  select();
  follow();
  performance.mark("rows shown");
})();
