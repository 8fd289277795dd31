// What do the packed rows hold, and how is it looked up?

async function unpacked() {
  const text = document.getElementById("rows").textContent;
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

// A line is one sample of one example: the rows of all arms side by side; -1 where an arm has none.
function linesOf({ rows, arms }) {
  const found = new Map();
  rows.arm.forEach((arm, row) => {
    const example = rows.example[row], sample = rows.sample[row];
    const key = example + "/" + sample;
    if (!found.has(key)) found.set(key, { example, sample, rows: new Array(arms.length).fill(-1) });
    found.get(key).rows[arm] = row;
  });
  const lines = [...found.values()].sort((a, b) => a.example - b.example || a.sample - b.sample);
  lines.forEach((line, i) => line.place = i);
  return lines;
}

// Which entries of a table are about a line; those without a sample are about all samples.
function byLine(table) {
  const found = new Map();
  table.example.forEach((example, i) => {
    if (!found.has(example)) found.set(example, []);
    found.get(example).push(i);
  });
  return (line) => (found.get(line.example) || []).filter((i) => table.sample[i] === null || table.sample[i] === line.sample);
}

function looked(data) {
  const { values, arms, yes_no: yesNo, examples, rows, excluded, pairs } = data;
  const lines = linesOf(data);
  return {
    ...data,
    lines,
    excludedOf: byLine(excluded),
    pairsOf: byLine(pairs),
    samples: lines.reduce((most, line) => Math.max(most, line.sample + 1), 1),
    hasTarget: examples.target.some((place) => place),
    value: (place) => place ? asText(values[place]) : "",  // the first is none
    statusOf: (row) => row < 0 ? "not run" : values[rows.status[row]],
    score: (x, metric) => yesNo[metric] && (x === 0 || x === 1) ? (x ? "yes" : "no") : number(x),
    route: (line) => "#" + new URLSearchParams({ example: examples.id[line.example], sample: line.sample }),
    // The same mark as in the pictures.
    armed: (arm) => make("span", `arm arm-${arm % 6} shape-${(arm + Math.floor(arm / 6)) % 4}`, make("code", "", arms[arm])),
  };
}
