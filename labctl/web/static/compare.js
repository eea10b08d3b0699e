// Runs over each other: a colour for what is alike, a dash for each run of it; replicates as mean and spread.
import "./plain.js";
import { buttons, Chart, twin } from "./chart.js";
import { filled } from "./curves.js";
import { get } from "./live.js";
import { duration, quantity } from "./values.js";

const page = document.getElementById("compare"), told = await get(`/api/compare?${page.dataset.query}`);
const DASHES = [undefined, [7, 3], [2, 3], [9, 3, 2, 3], [14, 4], [4, 4]];
const COLOURS = 8;
const place = new Map(), counts = new Map();
for (const run of told.runs) { const number = counts.get(run.group) || 0; counts.set(run.group, number + 1); place.set(run.run_id, number); }
const colour = (group) => `--line-${(group % COLOURS) + 1}`;
const dash = (run) => DASHES[(place.get(run.run_id) + Math.floor(run.group / COLOURS)) % DASHES.length];
const named = (run) => `run ${run.run_id}, ${run.cell}`;

for (const mark of document.querySelectorAll("[data-line]")) {
  const [group, number] = mark.dataset.line.split(".").map(Number);
  mark.style.stroke = `var(${colour(group)})`;
  mark.style.strokeDasharray = (DASHES[(number + Math.floor(group / COLOURS)) % DASHES.length] || []).join(" ");
}

// --- capacity and efficiency against cycle ---

let unit = told.units.includes("mAh/g") ? "mAh/g" : told.units[told.units.length - 1] || "mAh";
const capacity = new Chart(document.getElementById("chart-capacity"), { unit: null, plainUnit: unit, label: "Capacity", acrossLabel: "Cycle", whole: true, part: 0.01, lines: [] });
const efficiency = new Chart(document.getElementById("chart-efficiency"), { unit: null, plainUnit: "%", label: "CE", acrossLabel: "Cycle", whole: true, least: 0.1, lines: [] });

function cycles() {
  buttons(document.getElementById("units"), told.units.map((each) => [each.replace("uAh", "µAh").replace("cm2", "cm²").replace("um", "µm"), () => { unit = each; cycles(); }, each === unit]));
  const withCycles = told.runs.filter((run) => run.cycle.length);
  if (!withCycles.length) { capacity.note("None of these runs has a complete cycle."); efficiency.place.hidden = true; return; }
  capacity.how.plainUnit = unit.replace("uAh", "µAh").replace("cm2", "cm²");
  const factor = (run) => run.scales[unit] ?? 1e3;
  const tables = withCycles.map((run) => [run.cycle, run.capacity.map((value) => (value === null ? null : value * factor(run)))]);
  const lines = withCycles.map((run) => ({ name: named(run), colour: colour(run.group), dash: dash(run), width: 1.4, points: run.cycle.length < 40 }));
  const areas = [];
  told.groups.forEach((group, number) => {
    const mine = told.runs.filter((run) => run.group === number);
    if (mine.length < 2) return;
    const scaled = (sign) => group.mean.map((mean, at) => (mean === null || group.deviation[at] === null ? null : (mean + sign * group.deviation[at]) * factor(mine[0])));
    tables.push([group.cycle, scaled(1)], [group.cycle, scaled(-1)]);
    const edge = { name: "", colour: colour(number), part: 30, width: 0.5 };
    lines.push(edge, edge);
    areas.push([tables.length - 1, tables.length, colour(number)]);
  });
  capacity.how.areas = areas;
  capacity.set(filled(uPlot.join(tables)), lines);
  const ratios = withCycles.map((run) => [run.cycle, run.efficiency.map((value) => (value === null ? null : 100 * value))]);
  efficiency.place.hidden = !ratios.some(([, values]) => values.some((value) => value !== null));
  if (!efficiency.place.hidden) efficiency.set(filled(uPlot.join(ratios)), withCycles.map((run) => ({ name: named(run), colour: colour(run.group), dash: dash(run), width: 1.2, points: run.cycle.length < 40 })));
  twin(document.getElementById("twin-capacity"), ["Run", "Cycle", `Capacity / ${unit}`, "CE"], () => withCycles.flatMap((run) => run.cycle.map((number, at) => [
    run.run_id, number, run.capacity[at] === null ? "–" : (run.capacity[at] * factor(run)).toPrecision(5), run.efficiency[at] === null ? "–" : `${(100 * run.efficiency[at]).toFixed(2)} %`])));
}
cycles();

// --- voltage against charge of one cycle ---

const curves = new Chart(document.getElementById("chart-charge"), { unit: "V", label: "Voltage", across: "Ah", acrossLabel: "Charge", lines: [] });
const most = Math.max(0, ...told.runs.flatMap((run) => run.cycle));

async function show(cycle) {
  const spots = [...new Set([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, most])].filter((each) => each >= 1 && each <= most).sort((a, b) => a - b);
  buttons(document.getElementById("cycle"), spots.map((each) => [String(each), () => show(each), each === cycle]));
  const tables = [], lines = [], rows = [];
  for (const run of told.runs.filter((each) => each.cycle.includes(cycle))) {
    let known;
    try { known = await get(`/api/run/${run.uuid}/cycle/${cycle}`); } catch { continue; }
    for (const half of ["charge", "discharge"]) {
      const curve = known[half];
      if (!curve) continue;
      const order = curve.q.map((_, at) => at).sort((a, b) => curve.q[a] - curve.q[b]);
      tables.push([order.map((at) => curve.q[at]), order.map((at) => curve.v[at])]);
      lines.push({ name: `${named(run)}, ${half}`, colour: colour(run.group), width: 1.3, dash: half === "charge" ? undefined : [6, 3] });
      rows.push(...order.map((at) => [run.run_id, half, quantity(curve.q[at], "capacity"), quantity(curve.v[at], "voltage")]));
    }
  }
  if (!tables.length) { curves.note(most ? `None of these runs has a complete cycle ${cycle}.` : "None of these runs has a complete cycle."); return; }
  curves.set(filled(uPlot.join(tables)), lines);
  twin(document.getElementById("twin-charge"), ["Run", "Half", "Charge", "Voltage"], () => rows);
}
show(Math.min(1, most));

// --- voltage against time ---

const time = new Chart(document.getElementById("chart-time"), { unit: "V", label: "Voltage", time: true, lines: [] });
const parts = [];
for (const run of told.runs) {
  let part;
  do part = await get(`/api/run/${run.uuid}/history?width=500`); while ("making" in part);
  if (part.columns.voltage) parts.push([run, part.columns.voltage]);
}
if (parts.length) {
  time.set(filled(uPlot.join(parts.map(([, column]) => [column.t, column.y]))), parts.map(([run]) => ({ name: named(run), colour: colour(run.group), dash: dash(run), width: 1.1 })));
  twin(document.getElementById("twin-time"), ["Run", "Time", "Voltage"], () => parts.flatMap(([run, column]) => column.t.map((at, number) => [run.run_id, duration(at), quantity(column.y[number], "voltage")])));
} else time.note("None of these runs has rows.");
page.dataset.drawn = "yes";
