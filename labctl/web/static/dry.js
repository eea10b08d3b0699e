// A dry run: what was written, on the cell's model, told while it goes and drawn when it is there.
import { Chart, twin } from "./chart.js";
import { duration, quantity } from "./values.js";

const at = (id) => document.getElementById(id);
const COLUMNS = [["voltage", "V", "Voltage", "--accent"], ["temperature", null, "T", "--warn"], ["current", "A", "Current", "--ink"]];

export class DryRun {
  constructor(written) {
    this.written = written;
    this.charts = {};
    at("dry").addEventListener("click", () => { if (at("dry").getAttribute("aria-disabled") !== "true") this.run(); });
  }

  ready(may) {
    if (may && !this.going) at("dry").removeAttribute("aria-disabled");
    else at("dry").setAttribute("aria-disabled", "true");
  }

  changed() {
    this.ready(false);
    if (!at("dry-drawn").hidden) this.say("What is drawn is of an earlier text.");
  }

  say(words, bad = false) {
    at("dry-told").textContent = words;
    at("dry-told").className = bad ? "reason bad" : "hint";
  }

  async run() {
    this.going = true;
    this.ready(false);
    at("dry-going").hidden = false;
    at("dry-part").removeAttribute("value");
    at("dry-left").textContent = "begins";
    this.say("On its way; nothing is energised by it.");
    try {
      const answer = await fetch("/api/simulate", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(this.written()) });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `the pages answered ${answer.status}`);
      await this.listen(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch (error) {
      this.say(error.message, true);
    }
    at("dry-going").hidden = true;
    this.going = false;
    this.ready(true);
  }

  async listen(reader) {
    let rest = "", seen = null;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const word = JSON.parse(line);
        if (word.error) throw new Error(word.error);
        if (word.seen) { seen = word.seen; continue; }
        at("dry-part").value = word.part;
        at("dry-left").textContent = `${duration(word.time)} of test${word.left ? `, about ${duration(word.left)} left` : ""}`;
      }
    }
    if (!seen) throw new Error("the dry run ended without a word; try again");
    this.show(seen);
  }

  show(seen) {
    at("dry-drawn").hidden = false;
    for (const [name, unit, label, colour] of COLUMNS) {
      const place = at(`chart-${name}`), column = seen.columns[name];
      place.hidden = !column;
      this.charts[name] ??= new Chart(place, { unit, plainUnit: unit ? undefined : "°C", label, time: true, sync: "dry", bare: name !== "current", least: { voltage: 0.001, temperature: 1 }[name] || 0, lines: [{ name: label, colour, width: 1.3 }], bands: () => this.steps || [] });
      this.steps = seen.steps;
      if (column) this.charts[name].set([column.t, column.y]);
    }
    this.cycles(seen.cycles);
    const { voltage = { t: [], y: [] }, current = { t: [], y: [] } } = seen.columns;
    twin(at("twin-time"), ["Time", "Voltage", "Current"], () => {
      let place = 0;
      return voltage.t.map((time, number) => { while (place < current.t.length - 1 && current.t[place] < time) place += 1; return [duration(time), quantity(voltage.y[number], "voltage"), quantity(current.y[place], "current")]; });
    });
    const rows = seen.rows.toLocaleString("en").replaceAll(",", " "), count = seen.cycles.cycle_count.length;
    const cycled = count ? `, ${count} ${count === 1 ? "cycle" : "cycles"}` : "";
    this.say(seen.whole
      ? `${seen.ended === "done" ? "Came to its end" : seen.ended}: ${duration(seen.total)} of test${cycled}, ${rows} rows, computed in ${seen.took.toFixed(1)} s.`
      : `The first ${duration(seen.total)} of about ${duration(seen.likely)}${cycled}, ${rows} rows: ${Math.round(seen.took)} s of computing are over. labctl simulate goes on to the end.`);
  }

  cycles(table) {
    const place = at("chart-capacity"), many = table.cycle_count.length > 1;
    place.hidden = !many;
    if (!many) return;
    this.charts.capacity ??= new Chart(place, { unit: "Ah", label: "Capacity", acrossLabel: "Cycle", whole: true, part: 0.01, lines: [{ name: "discharge", colour: "--accent", points: true, width: 1 }] });
    this.charts.capacity.set([table.cycle_count, table.discharging_capacity_ah.map((value, number) => (table.complete[number] === 0 ? null : value))]);
  }
}
