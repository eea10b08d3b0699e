// Voltage against charge: the cycle of now over chosen earlier ones.
import { buttons, Chart, twin } from "./chart.js";
import { get } from "./live.js";
import { quantity } from "./values.js";

export class Curves {
  constructor(run, incremental = false) {
    this.run = run;
    this.now = 0;
    this.chosen = new Set();
    this.known = new Map();
    this.chart = new Chart(document.getElementById("chart-charge"), { unit: "V", label: "Voltage", across: "Ah", acrossLabel: "Charge", lines: [] });
    const place = incremental && document.getElementById("chart-incremental");
    this.slope = place ? new Chart(place, { unit: null, label: "dQ/dV", plainUnit: "Ah/V", acrossLabel: "Voltage", acrossUnit: "V", lines: [] }) : null;
  }

  async show(now, last) {
    if (!this.run) return;
    this.now = now;
    this.last = last;
    if (!this.chosen.size) for (const each of [1, last]) if (each > 0 && each !== now) this.chosen.add(each);
    await this.load(now, true);
    for (const each of this.chosen) await this.load(each, false);
    this.draw();
    this.tools();
  }

  async load(cycle, anew) {
    if (cycle < 1 || (this.known.has(cycle) && !anew)) return;
    try { this.known.set(cycle, await get(`/api/run/${this.run}/cycle/${cycle}`)); } catch { /* it has no rows yet */ }
  }

  tools() {
    const last = this.last || 0, spots = new Set([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, last - 1, last]);
    const list = [...spots].filter((each) => each > 0 && each <= last && each !== this.now).sort((a, b) => a - b);
    buttons(document.getElementById("cycles"), list.map((each) => [String(each), () => this.toggle(each), this.chosen.has(each)]));
  }

  async toggle(cycle) {
    if (this.chosen.has(cycle)) this.chosen.delete(cycle);
    else { this.chosen.add(cycle); await this.load(cycle, false); }
    this.draw();
    this.tools();
  }

  draw() {
    const shown = [...[...this.chosen].filter((each) => each !== this.now).sort((a, b) => a - b), this.now].filter((each) => this.known.has(each));
    if (!shown.length) {
      const over = this.chart.place.closest("article")?.matches('[data-state="done"], [data-state="tripped"], [data-state="failed"]');
      for (const chart of [this.chart, this.slope]) chart?.note(over ? "The run had no cycle." : "No cycle yet.");
      return;
    }
    this.put(this.chart, shown, "q", "v");
    if (this.slope) this.put(this.slope, shown, "dv", "dqdv");
    twin(document.getElementById("twin-charge"), ["Cycle", "Half", "Charge", "Voltage"], () => shown.flatMap((cycle) => ["charge", "discharge"].flatMap((half) => {
      const curve = this.known.get(cycle)[half];
      return curve ? curve.q.map((q, at) => [cycle, half, quantity(q, "capacity"), quantity(curve.v[at], "voltage")]) : [];
    })));
  }

  put(chart, shown, across, up) {
    const tables = [], lines = [];
    for (const cycle of shown) for (const half of ["charge", "discharge"]) {
      const curve = this.known.get(cycle)[half];
      if (!curve) continue;
      const order = curve[across].map((_, at) => at).sort((a, b) => curve[across][a] - curve[across][b]);
      tables.push([order.map((at) => curve[across][at]), order.map((at) => curve[up][at])]);
      const now = cycle === this.now;
      lines.push({ name: `cycle ${cycle}, ${half}`, colour: now ? "--accent" : "--soft", width: now ? 2 : 1, part: now ? 0 : 70, dash: half === "charge" ? undefined : [6, 3] });
    }
    if (!tables.length) { chart.note("No current has flowed in this cycle yet."); return; }
    const joined = uPlot.join(tables, tables.map((table) => table.slice(1).map(() => 2)));
    chart.set(filled(joined), lines);
  }
}

// a joined table has holes where another line has its points: lines go through them
export function filled(table) {
  const x = table[0];
  return [x, ...table.slice(1).map((line) => {
    const out = new Array(x.length).fill(null);
    let before = -1;
    for (let at = 0; at < x.length; at += 1) {
      if (line[at] === null || line[at] === undefined) continue;
      if (before >= 0) for (let inner = before + 1; inner < at; inner += 1) out[inner] = line[before] + (line[at] - line[before]) * (x[inner] - x[before]) / (x[at] - x[before]);
      out[at] = line[at];
      before = at;
    }
    return out;
  })];
}
