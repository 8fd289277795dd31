// How is one example opened: what went in, what each arm made of it, and each call?

// `visible()` are the lines that the table shows, in its order. Returns how to open one.
function exampleDialog(report, visible) {
  const { values, metrics, examples, rows, calls, excluded, pairs, lines, excludedOf, pairsOf, samples, hasTarget } = report;
  const { value, statusOf, score, route, armed } = report;
  const dialog = document.getElementById("example");

  // Which example is open stands in the address alone, so that links and the back button work. To close is to
  // go back to where it was opened; where an address from elsewhere opened it, there is no such place.
  let cameFromHere = false, leaving = false, isOpen = false;
  const open = (line) => { cameFromHere = true; location.hash = route(line); };
  const leave = () => {
    if (leaving || !asked()) return;
    leaving = true;
    if (cameFromHere) history.back();
    else location.replace("#all");  // names no element, so nothing scrolls
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest('a[href^="#example="]')) cameFromHere = true;
    if (event.target === dialog) leave();  // beside it
  });
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
  // A browser may close it without asking. It says so late: the next one may be about to open, or be open.
  dialog.addEventListener("close", () => { if (isOpen && !dialog.open) leave(); });
  addEventListener("hashchange", follow);
  follow();
  return open;

  function asked() {
    if (!location.hash.startsWith("#example=")) return null;
    const given = new URLSearchParams(location.hash.slice(1));
    return { id: given.get("example"), sample: +given.get("sample") || 0 };
  }

  function follow() {
    leaving = false;
    const given = asked();
    isOpen = Boolean(given);
    if (!given) { dialog.close(); return; }
    const example = examples.id.indexOf(given.id);
    const line = lines.find((l) => l.example === example && l.sample === given.sample);
    const focused = dialog.contains(document.activeElement) ? document.activeElement.textContent : "";
    dialog.replaceChildren(...line ? told(line) : [top("There is no example " + given.id)]);
    if (!dialog.open) dialog.showModal();
    const again = [...dialog.querySelectorAll(".top button:enabled")].find((button) => button.textContent === focused);
    (again || dialog.querySelector("h2")).focus();
    dialog.scrollTop = 0;
  }

  function top(title, ...more) {
    const heading = make("h2", "", title);
    heading.id = "example-title";
    heading.tabIndex = -1;
    return make("div", "top", heading, ...more, pressed("Close", leave));
  }

  function told(line) {
    const shown = visible(), here = shown.indexOf(line);
    const step = (label, by) => {
      const to = here < 0 ? undefined : shown[here + by];
      const button = pressed(label, () => location.replace(route(to)));
      button.disabled = !to;
      return button;
    };
    const title = examples.id[line.example] + (samples > 1 ? `, sample ${line.sample}` : "");
    const given = make("div", "sides", side("Input", examples.input[line.example]));
    if (hasTarget) given.append(side("Target", examples.target[line.example]));
    return [
      top(title, step("Previous", -1), step("Next", 1)),
      ...samples > 1 ? [others(line)] : [],
      given,
      make("div", "sides", ...line.rows.map((row, arm) => answer(line, row, arm))),
      ...pairsOf(line).length ? [make("div", "sides pairs", ...pairsOf(line).map(pair))] : [],
    ];
  }

  function others(line) {
    const links = make("nav", "samples", "Samples");
    links.setAttribute("aria-label", "Samples");
    for (const other of lines) if (other.example === line.example) {
      const link = make("a", "", String(other.sample));
      link.href = route(other);
      if (other === line) link.setAttribute("aria-current", "true");
      link.addEventListener("click", (event) => { event.preventDefault(); location.replace(route(other)); });
      links.append(link);
    }
    return links;
  }

  // A value that is no text says what it is: 1 is not "1".
  function side(label, place) {
    const held = values[place];
    const kind = typeof held === "string" || held === null ? "" : ` (${Array.isArray(held) ? "list" : typeof held})`;
    return make("div", "", make("h4", "", label + kind), make("pre", "", held === null ? DASH : asText(held)));
  }

  function facts(of, i) {
    const cache = value(of.cache[i]);
    const told = [
      { made: "asked now", hit: "from the cache", mixed: "partly from the cache", failed: "the call failed" }[cache] || cache,
      of.latency_s[i] === null ? "" : seconds(of.latency_s[i]),
      of.input_tokens[i] === null && of.output_tokens[i] === null ? "" : `${count(of.input_tokens[i])} + ${count(of.output_tokens[i])} tokens`,
      of.cost[i] === null ? "" : dollars(of.cost[i]),
    ];
    return make("p", "facts", told.filter((text) => text).join(" · "));
  }

  function answer(line, row, arm) {
    const box = make("section", "", make("h3", "", armed(arm)));
    if (row < 0) { box.append(make("p", "bad", "not run")); return box; }
    const state = statusOf(row);
    if (state === "ok") box.append(side("Answer", rows.prediction[row]));
    else box.append(make("h4", "", state), make("pre", "wrong", value(rows.error[row]) || state));
    const marks = metrics.map((name, m) => make("span", "", make("code", "", name), " ", make("strong", "", score(rows.scores[m][row], m))));
    box.append(make("p", "marks", ...marks), facts(rows, row));
    if (state === "ok" && rows.error[row]) box.append(make("pre", "wrong", value(rows.error[row])));
    metrics.forEach((name, m) => { if (rows.details[m][row]) box.append(side(name + ", details", rows.details[m][row])); });
    for (const i of excludedOf(line))
      if (excluded.arm[i] === arm || excluded.arm[i] === null)
        box.append(make("p", "facts bad", `No ${value(excluded.metric[i]) || "score"}: ${value(excluded.reason[i])}`));
    for (let i = firstCall(row); calls.row[i] === row; i++) {
      const model = value(calls.model_version[i]);
      box.append(make("div", "call", make("h4", "", make("code", "", value(calls.operation[i])), model ? " · " + model : ""),
        facts(calls, i), side("Prompt as sent", calls.prompt[i]), side("Answer", calls.answer[i])));
    }
    return box;
  }

  // What a judge said of two answers: the score is that of the second arm.
  function pair(i) {
    const told = make("p", "marks", make("code", "", value(pairs.metric[i])),
      make("span", "", armed(pairs.b[i]), " against ", armed(pairs.a[i])), make("strong", "", number(pairs.score[i])));
    return make("section", "", told, ...pairs.details[i] ? [side("Details", pairs.details[i])] : []);
  }

  // Calls are in the order of their rows.
  function firstCall(row) {
    let low = 0, high = calls.row.length;
    while (low < high) { const middle = (low + high) >> 1; if (calls.row[middle] < row) low = middle + 1; else high = middle; }
    return low;
  }
}
