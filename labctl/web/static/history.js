// Voltage, current and temperature against time: a part of the run from the server, new rows appended as they come.
import { buttons, Chart, twin } from "./chart.js";
import { get } from "./live.js";
import { duration, quantity } from "./values.js";

const COLUMNS = [["voltage", "V", "Voltage", "--accent"], ["temperature", null, "T", "--warn"], ["current", "A", "Current", "--ink"]];
const MOST = 6000; // points of a chart before the part is asked for anew

export class History {
  constructor(run) {
    this.run = run;
    this.window = { last: null }; // {last: seconds} follows the end, null is all; {from, to} stands
    this.steps = [];
    this.columns = {};
    this.last = -1;
    this.charts = {};
    for (const [name, unit, label, colour] of COLUMNS) {
      const place = document.getElementById(`chart-${name}`);
      if (!place) continue;
      this.charts[name] = new Chart(place, {
        unit, plainUnit: unit ? undefined : "°C", label, time: true, sync: "time", bare: name !== "current", least: { voltage: 0.001, temperature: 1 }[name] || 0, lines: [{ name: label, colour, width: 1.4 }],
        bands: () => this.steps, select: (from, to) => this.go({ from, to }),
      });
      place.addEventListener("dblclick", () => this.go({ last: null }));
    }
    this.tools();
  }

  tools() {
    const place = document.getElementById("zoom");
    if (!place) return;
    const follows = (last) => "last" in this.window && this.window.last === last;
    const total = this.total || 0;
    const list = [["All", () => this.go({ last: null }), follows(null)]];
    for (const [name, seconds] of [["10 min", 600], ["1 h", 3600], ["1 day", 86400]]) if (total > seconds) list.push([name, () => this.go({ last: seconds }), follows(seconds)]);
    list.push(["+", () => this.zoom(0.5)], ["−", () => this.zoom(2)], ["‹", () => this.shift(-0.5)], ["›", () => this.shift(0.5)]);
    buttons(place, list);
    const names = { "+": "Zoom in", "−": "Zoom out", "‹": "Earlier", "›": "Later" };
    for (const button of place.querySelectorAll("button")) if (names[button.textContent]) { button.setAttribute("aria-label", names[button.textContent]); button.title = names[button.textContent]; }
  }

  get span() {
    const total = this.total || 0;
    if ("from" in this.window) return [this.window.from, this.window.to];
    return [this.window.last === null ? 0 : Math.max(0, total - this.window.last), total];
  }

  zoom(factor) {
    const [from, to] = this.span, middle = (from + to) / 2, half = ((to - from) / 2) * factor;
    if (factor > 1 && 2 * half >= (this.total || 0)) this.go({ last: null });
    else this.go({ from: Math.max(0, middle - half), to: middle + half });
  }

  shift(part) {
    const [from, to] = this.span, by = (to - from) * part;
    this.go({ from: Math.max(0, from + by), to: Math.max(to - from, to + by) });
  }

  async go(window) {
    this.window = window;
    await this.load();
  }

  async load() {
    if (!this.run) { this.draw(); return; }
    if (this.loading) { this.stale = Boolean(this.loading); return; }
    this.loading = true;
    const width = Math.round(Math.min(2000, Math.max(300, window.innerWidth)));
    let query = `width=${width}`;
    if ("from" in this.window) query += `&from=${this.window.from}&to=${this.window.to}`;
    else if (this.window.last !== null && this.total) query += `&from=${Math.max(0, this.total - this.window.last)}`;
    try {
      let part = await get(`/api/run/${this.run}/history?${query}`);
      while ("making" in part) {
        this.charts.voltage?.note(`Looking through ${part.rows.toLocaleString("en").replaceAll(",", " ")} rows for the first time: ${Math.round(100 * part.making)} %`);
        part = await get(`/api/run/${this.run}/history?${query}`);
      }
      this.columns = part.columns;
      this.steps = part.steps;
      this.last = Math.max(part.last, -1);
      this.total = Math.max(part.total, this.total || 0);
      this.draw();
      this.tools();
    } catch (error) {
      this.charts.voltage?.note(error.message);
    }
    this.loading = false;
    if (this.stale) { this.stale = false; await this.load(); }
  }

  add(message) {
    this.last = Math.max(this.last, message.last);
    if (message.more) { this.later(); return; }
    const times = message.t;
    if (!times || !times.length) return;
    this.total = Math.max(this.total || 0, times[times.length - 1]);
    if ("from" in this.window) return;
    for (const [name] of COLUMNS) {
      if (!message[name]) continue;
      const column = (this.columns[name] ??= { t: [], y: [] });
      const after = column.t.length ? column.t[column.t.length - 1] : -1;
      for (let at = 0; at < times.length; at += 1) if (times[at] >= after) { column.t.push(times[at]); column.y.push(message[name][at]); }
      if (column.t.length > MOST) { this.later(); return; }
    }
    this.soon();
  }

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  later() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => { this.waiting = 0; this.load(); }, 1000);
  }

  draw() {
    const [from] = this.span;
    for (const [name] of COLUMNS) {
      const chart = this.charts[name], column = this.columns[name];
      if (!chart) continue;
      if (name === "temperature") chart.place.hidden = !column;
      if (name === "current") chart.place.hidden = !this.run;
      if (!column || column.t.length < 2) { if (name !== "temperature") chart.note(this.run ? "No rows here." : "No run yet."); continue; }
      let begin = 0;
      if (!("from" in this.window) && this.window.last !== null) while (begin < column.t.length - 2 && column.t[begin] < from) begin += 1;
      chart.set([column.t.slice(begin), column.y.slice(begin)]);
    }
    const place = document.getElementById("twin-time");
    if (place && this.run) twin(place, ["Time", "Voltage", "Current"], () => this.table());
  }

  table() {
    const voltage = this.columns.voltage || { t: [], y: [] }, current = this.columns.current || { t: [], y: [] };
    let at = 0;
    return voltage.t.map((time, number) => {
      while (at < current.t.length - 1 && current.t[at] < time) at += 1;
      return [duration(time), quantity(voltage.y[number], "voltage"), quantity(current.y[at], "current")];
    });
  }
}
