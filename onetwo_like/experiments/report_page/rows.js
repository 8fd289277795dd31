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

function looked(data) {
  const { values, arms, metrics, yes_no: yesNo, examples, rows, excluded } = data;
  const lines = linesOf(data);
  const excludedOf = new Map();
  excluded.example.forEach((example, i) => {
    if (!excludedOf.has(example)) excludedOf.set(example, []);
    excludedOf.get(example).push(i);
  });
  return {
    ...data,
    lines,
    excludedOf,
    samples: lines.reduce((most, line) => Math.max(most, line.sample + 1), 1),
    hasTarget: examples.target.some((place) => place),
    value: (place) => place ? asText(values[place]) : "",  // the first is none
    statusOf: (row) => row < 0 ? "not run" : values[rows.status[row]],
    score: (x, metric) => yesNo[metric] && (x === 0 || x === 1) ? (x ? "yes" : "no") : number(x),
    route: (line) => "#" + new URLSearchParams({ example: examples.id[line.example], sample: line.sample }),
    armed: (arm) => make("span", "arm arm-" + arm % 6, make("code", "", arms[arm])),
  };
}
