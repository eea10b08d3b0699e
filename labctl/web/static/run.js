// One run: history at any zoom, cycles, curves, impedance.
import { Chart, twin } from "./chart.js";
import { Curves } from "./curves.js";
import { History } from "./history.js";
import { connect, get } from "./live.js";
import { still } from "./still.js";
import { duration, quantity } from "./values.js";

const page = document.getElementById("run"), run = page.dataset.run;

const history = new History(run);
history.load();
if (page.dataset.active === "true" && page.dataset.channel) {
  const channel = page.dataset.channel, put = (key, text) => { page.querySelector(`[data-k="${key}"]`).textContent = text; };
  connect(`/live?channel=${encodeURIComponent(channel)}`, {
    news(message) {
      const row = message.channels[channel];
      if (!row) return;
      if (row.run && row.run !== run) { location.reload(); return; }
      if (row.activity && row.activity !== page.dataset.state) { location.reload(); return; }
      if ("test_time_second" in row) put("time", duration(row.test_time_second));
      if ("record_index" in row) put("rows", (row.record_index + 1).toLocaleString("en").replaceAll(",", " "));
      if (row.measured) page.dataset.measured = row.measured;
    },
  });
  setInterval(() => { if (!document.hidden) history.load(); }, 5000);
} else still();

async function cycles() {
  const table = await get(`/api/run/${run}/cycles`), count = table.cycle_count;
  const capacity = new Chart(document.getElementById("chart-capacity"), {
    unit: "Ah", label: "Capacity", acrossLabel: "Cycle", whole: true, part: 0.01,
    lines: [{ name: "discharge", colour: "--accent", points: true, width: 1 }, { name: "charge", colour: "--soft", points: true, hollow: true, width: 1 }],
  });
  const whole = (column) => column.map((value, at) => (table.complete[at] === 0 ? null : value));
  if (whole(table.discharging_capacity_ah).some((each) => each !== null)) capacity.set([count, whole(table.discharging_capacity_ah), whole(table.charging_capacity_ah)]);
  else capacity.note("No cycle is complete yet.");
  const efficiency = table.coulombic_efficiency.map((value) => (value === null ? null : 100 * value));
  const place = document.getElementById("chart-efficiency");
  if (efficiency.some((value) => value !== null)) {
    const chart = new Chart(place, { unit: null, plainUnit: "%", label: "CE", acrossLabel: "Cycle", whole: true, least: 0.1, lines: [{ name: "Coulombic efficiency", colour: "--accent", points: true, width: 1 }] });
    chart.set([count, whole(efficiency)]);
  } else place.hidden = true;
  twin(document.getElementById("twin-cycles"), ["Cycle", "Charge", "Discharge", "CE", "Retention", "Ended"], () => count.map((number, at) => [
    number, quantity(table.charging_capacity_ah[at], "capacity"), quantity(table.discharging_capacity_ah[at], "capacity"),
    efficiency[at] === null ? "–" : `${efficiency[at].toFixed(2)} %`, table.retention[at] === null ? "–" : `${(100 * table.retention[at]).toFixed(1)} %`, table.end_reason[at] || "–",
  ]));
  const curves = new Curves(run, true);
  const last = count[count.length - 1];
  await curves.show(last, Math.max(0, last - 1));
}

async function spectra() {
  const list = await get(`/api/run/${run}/spectra`);
  if (!list.length) return;
  const chosen = list.length <= 6 ? list : [0, 0.2, 0.4, 0.6, 0.8, 1].map((part) => list[Math.round(part * (list.length - 1))]);
  const chart = new Chart(document.getElementById("chart-nyquist"), { unit: null, plainUnit: "Ω", label: "−Im Z", acrossLabel: "Re Z", acrossUnit: "Ω", square: true, lines: [] });
  const tables = chosen.map((each) => { const order = each.re.map((_, at) => at).sort((a, b) => each.re[a] - each.re[b]); return [order.map((at) => each.re[at]), order.map((at) => -each.im[at])]; });
  chart.set(uPlot.join(tables), chosen.map((each, at) => ({ name: `spectrum ${each.number}`, colour: at === chosen.length - 1 ? "--accent" : "--soft", points: "only", hollow: at !== chosen.length - 1 })));
  twin(document.getElementById("twin-spectra"), ["Spectrum", "Cycle", "Frequency", "Re Z", "−Im Z"], () => chosen.flatMap((each) => each.f.map((f, at) => [each.number, each.cycle, quantity(f, "frequency"), quantity(each.re[at], "resistance"), quantity(-each.im[at], "resistance")])));
}

if (Number(page.dataset.cycles)) cycles();
if (Number(page.dataset.spectra)) spectra();
