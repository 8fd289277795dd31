// How is the table of examples searched, filtered, sorted and turned page by page?

function exampleTable(report, place) {
  const AT_ONCE = 50;  // rows on one page
  const { values, arms, metrics, examples, rows, excluded, lines, excludedOf, samples, hasTarget } = report;
  const { value, statusOf, score, route, armed } = report;

  const two = arms.length === 2;

  // What is asked for, and what fits.
  let metric = 0, wanted = "", shown = "all", wide = false, page = 0, visible = lines;
  let order = { column: null, down: false };

  // Each column: what it is called, its figure or text of a line, and how a figure is written.
  function columns() {
    const all = [{ key: "id", label: "Example", kind: "id", of: (l) => examples.id[l.example] }];
    if (samples > 1) all.push({ key: "sample", label: "Sample", kind: "figure", of: (l) => l.sample, said: String });
    all.push({ key: "input", label: "Input", kind: "text", of: (l) => value(examples.input[l.example]) });
    if (hasTarget) all.push({ key: "target", label: "Target", kind: "text", of: (l) => value(examples.target[l.example]) });
    arms.forEach((_, arm) => {
      const add = (key, label, kind, of, said) =>
        all.push({ key: key + arm, label, kind, said, arm, of: (l) => l.rows[arm] < 0 ? null : of(l.rows[arm]) });
      add("answer", "Answer", "text answer", (r) => value(rows.prediction[r]));
      if (metrics.length) add("score", metrics[metric], "figure", (r) => rows.scores[metric][r], (x) => score(x, metric));
      if (!wide) return;
      add("status", "Status", "word", statusOf);
      add("in", "Tokens in", "figure", (r) => rows.input_tokens[r], count);
      add("out", "Tokens out", "figure", (r) => rows.output_tokens[r], count);
      add("cost", "Cost", "figure", (r) => rows.cost[r], dollars);
      add("latency", "Latency", "figure", (r) => rows.latency_s[r], seconds);
      add("cache", "Cache", "word", (r) => value(rows.cache[r]));
    });
    if (arms.length > 1 && metrics.length)
      all.push({ key: "apart", label: two ? "Difference" : "Spread", kind: "figure", of: apart, said: two ? signed : number });
    return all;
  }

  // By how much the arms part in the metric: second minus first, or the largest minus the smallest of more.
  function apart(line) {
    const found = line.rows.map((row) => row < 0 ? null : rows.scores[metric][row]).filter((x) => x !== null);
    if (found.length < 2) return null;
    return two ? found[1] - found[0] : Math.max(...found) - Math.min(...found);
  }

  const FILTERS = {
    all: ["all", () => true],
    ...(arms.length > 1 ? {
      apart: ["scores differ between arms", (l) => !!apart(l)],
      answers: ["answers differ between arms", (l) => new Set(l.rows.filter((r) => r >= 0).map((r) => rows.prediction[r])).size > 1],
    } : {}),
    failed: ["without an answer", (l) => l.rows.some((row) => statusOf(row) !== "ok")],
    unscored: ["without a score", (l) => l.rows.some((row) => row < 0 || metrics.length && rows.scores[metric][row] === null)
      || excludedOf(l).some((i) => values[excluded.metric[i]] === metrics[metric])],
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
    const column = columns().find((c) => c.key === order.column);
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
  const turn = (by) => () => { page += by; draw(); };
  const back = pressed("Previous", turn(-1)), next = pressed("Next", turn(1));
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
    if (arms.length > 1) {
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
      const own = order.column === column.key;
      cell.setAttribute("aria-sort", !own ? "none" : order.down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        order = { column: column.key, down: own && !order.down };
        select();
        [...table.querySelectorAll("th button")][all.indexOf(column)].focus();
      });
      names.append(cell);
    }
    head.append(names);
    return head;
  }

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
      if (column.kind === "text answer") {
        const r = line.rows[column.arm];
        const state = statusOf(r), error = r < 0 ? "" : glance(value(rows.error[r]));
        const wrong = [state === "ok" ? "" : state, error].filter((text) => text).join(": ");
        if (wrong) cell.append(make("p", "bad", wrong));
      }
      row.append(cell);
    });
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a") && !String(getSelection())) open(line);
    });
    return row;
  }

  select();
  const open = exampleDialog(report, () => visible);
}

(async () => {
  const place = document.getElementById("table");
  try {
    if (!window.DecompressionStream)
      throw new Error("this browser has no DecompressionStream; Chromium 80, Firefox 113 and Safari 16.4 have it, and all later ones");
    exampleTable(looked(await unpacked()), place);
    performance.mark("rows shown");
  } catch (error) {
    place.append(make("p", "warning", `The rows cannot be shown: ${error.message}.`));
    throw error;
  }
})();
