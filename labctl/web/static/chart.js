// Charts: uPlot on a canvas, its colours from the page's style, a table of the same numbers behind each.
import { quantity, scale } from "./values.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = new Set();
const shade = (name, part) => `color-mix(in srgb, ${css(name)} ${part}%, transparent)`;

export class Chart {
  // place: where; how: {unit, label, lines: [{name, colour, width, dash, points}], time, sync, bands, select, square}
  constructor(place, how) {
    this.place = place;
    this.how = how;
    this.data = null;
    charts.add(this);
    new ResizeObserver(() => this.fit()).observe(place);
  }

  set(data, lines = this.how.lines) {
    this.data = data;
    const changed = JSON.stringify([lines, this.how.areas, this.how.plainUnit]) !== this.drawn;
    this.drawn = JSON.stringify([lines, this.how.areas, this.how.plainUnit]);
    this.how.lines = lines;
    const y = data.slice(1).flat(), x = this.how.time ? rising(data[0]) : data[0];
    const unit = this.how.unit ? scale(y, this.how.unit) : { factor: 1, label: "" };
    const across = this.how.time ? timeScale(x) : this.how.across ? scale(x, this.how.across) : { factor: 1, label: "" };
    const scaled = [x.map((value) => value / across.factor), ...data.slice(1).map((line) => line.map((value) => (value === null ? null : value / unit.factor)))];
    this.shown = scaled;
    if (!this.plot || changed || unit.label !== this.unitLabel || across.label !== this.acrossLabel) {
      this.unitLabel = unit.label;
      this.acrossLabel = across.label;
      this.factor = across.factor;
      this.make(scaled);
    } else {
      this.factor = across.factor;
      this.plot.setData(scaled);
    }
  }

  make(data) {
    this.plot?.destroy();
    const how = this.how, soft = css("--soft"), line = css("--line"), box = this.place.getBoundingClientRect();
    const grid = { stroke: line, width: 1 }, ticks = { stroke: line, width: 1, size: 4 };
    const axis = { stroke: soft, grid, ticks, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18, gap: 4 };
    const options = {
      width: Math.max(120, box.width), height: Math.max(90, box.height),
      padding: [8, 12, 0, 0],
      cursor: { sync: how.sync ? { key: how.sync } : undefined, drag: { x: Boolean(how.select), y: false, setScale: false }, points: { size: 6 } },
      legend: { show: false },
      scales: { x: { time: false, range: how.square ? squared(this, 0) : how.whole ? (_, low, high) => [(low ?? 1) - 0.5, (high ?? 1) + 0.5] : undefined }, y: { range: how.square ? squared(this, 1) : padded(this, how.least || 0, how.part || 0) } },
      axes: [
        how.bare ? { ...axis, size: 6, values: (_, all) => all.map(() => "") } : { ...axis, size: 26, label: [how.time ? "Time" : how.acrossLabel, this.acrossLabel || how.acrossUnit].filter(Boolean).join(" / "), values: (_, all) => all.map((value) => (how.whole && !Number.isInteger(value) ? "" : plain(value))) },
        { ...axis, size: 58, space: box.height < 170 ? 17 : 30, label: [how.label, this.unitLabel || how.plainUnit].filter(Boolean).join(" / "), values: (_, all) => all.map((value) => plain(value)) },
      ],
      series: [{}, ...how.lines.map((each) => ({
        label: each.name, stroke: each.part ? shade(each.colour, each.part) : css(each.colour), width: each.width || 1.5, spanGaps: false,
        points: { show: Boolean(each.points), size: 5, stroke: css(each.colour), fill: each.hollow ? css("--paper") : css(each.colour) },
        paths: each.points === "only" ? () => null : undefined, dash: each.dash,
      }))],
      bands: (how.areas || []).map(([high, low, colour]) => ({ series: [high, low], fill: shade(colour, 18) })),
      hooks: {
        drawClear: how.bands ? [(plot) => drawBands(plot, how.bands(), this.factor)] : [],
        setSelect: how.select ? [(plot) => {
          if (plot.select.width < 4) return;
          const from = plot.posToVal(plot.select.left, "x") * this.factor, to = plot.posToVal(plot.select.left + plot.select.width, "x") * this.factor;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          how.select(from, to);
        }] : [],
        setScale: [(plot, key) => { if (key === "y") this.place.dataset.shows = `${plot.scales.y.min} ${plot.scales.y.max}`; }],
        setCursor: [(plot) => how.cursor?.(plot, this.factor)],
      },
    };
    this.place.replaceChildren();
    this.plot = new uPlot(options, data, this.place);
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", `${how.label} against ${how.time ? "time" : how.acrossLabel}; the table below has the same numbers`);
    if (how.touch !== false && how.select) this.plot.over.style.touchAction = "pan-y";
  }

  fit() {
    if (!this.plot) return;
    const box = this.place.getBoundingClientRect();
    if (box.width > 0) this.plot.setSize({ width: box.width, height: Math.max(90, box.height) });
  }

  note(words) {
    this.plot?.destroy();
    this.plot = null;
    const line = document.createElement("p");
    line.className = "note";
    line.textContent = words;
    this.place.replaceChildren(line);
  }
}

function plain(value) {
  const text = Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(6)));
  return text.replace("-", "−");
}

function rising(times) {
  // two rows of one moment are drawn beside each other: of equal places a plot looks at the first alone
  let last = -Infinity;
  return times.map((time) => { last = time > last ? time : last + 1e-9 * Math.max(1, Math.abs(last)); return last; });
}

function padded(chart, least, part) {
  // every value is inside; least is the span that is shown at least, part the same of the values: what hardly changes is no mountain range
  return () => {
    let low = Infinity, high = -Infinity;
    for (const values of (chart.shown || []).slice(1)) for (const value of values) if (value !== null) { if (value < low) low = value; if (value > high) high = value; }
    if (low > high) return [0, 1];
    const span = Math.max(high - low || Math.abs(high) * 0.02 || 1, least, part * Math.max(Math.abs(low), Math.abs(high))), middle = (low + high) / 2;
    return [middle - 0.56 * span, middle + 0.56 * span];
  };
}

function squared(chart, which) {
  // both axes alike: an arc of a spectrum is an arc
  return (plot, low, high) => {
    if (low === null || !plot.data) return [0, 1];
    const ends = [0, 1].map((at) => {
      let least = Infinity, most = -Infinity;
      for (const values of at ? plot.data.slice(1) : [plot.data[0]]) for (const value of values) if (value !== null) { least = Math.min(least, value); most = Math.max(most, value); }
      return [least, most];
    });
    const width = Math.max(1, (plot.bbox?.width || chart.place.clientWidth) / (plot.bbox?.height || chart.place.clientHeight));
    const unit = Math.max((ends[0][1] - ends[0][0]) / width, ends[1][1] - ends[1][0]) * 1.12 || 1;
    const middle = (ends[which][0] + ends[which][1]) / 2, half = (which ? unit : unit * width) / 2;
    return [middle - half, middle + half];
  };
}

function timeScale(times) {
  const last = times.length ? times[times.length - 1] : 0;
  if (last > 2 * 86400) return { factor: 3600, label: "h" };
  if (last > 2 * 3600) return { factor: 3600, label: "h" };
  if (last > 300) return { factor: 60, label: "min" };
  return { factor: 1, label: "s" };
}

const MOVES = { charge: 1, strip: 1, discharge: 1, plate: 1, hold: 1, cv: 1, lsv: 1, profile: 1 };
function drawBands(plot, bands, factor) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  bands.forEach((band) => {
    if (band.gap) ctx.fillStyle = shade("--warn", 18);
    else if (MOVES[band.type]) ctx.fillStyle = band.count % 2 ? shade("--soft", 9) : shade("--soft", 4);
    else return;
    const from = plot.valToPos(band.begin / factor, "x", true), to = plot.valToPos((band.end ?? band.begin + 1e9) / factor, "x", true);
    ctx.fillRect(from, bbox.top, Math.max(1, to - from), bbox.height);
  });
  ctx.restore();
}

export function twin(place, heads, rows) {
  // the same numbers as a table, made when it is opened
  let details = place.querySelector("details");
  if (!details) {
    details = document.createElement("details");
    details.className = "twin";
    const summary = document.createElement("summary");
    summary.textContent = "As a table";
    details.append(summary);
    place.append(details);
    details.addEventListener("toggle", () => { if (details.open) fill(details); });
  }
  details.source = [heads, rows];
  if (details.open) fill(details);
}

function fill(details) {
  const [heads, rows] = details.source, all = rows(), step = Math.max(1, Math.ceil(all.length / 200));
  const table = document.createElement("table"), head = document.createElement("tr"), body = document.createElement("tbody");
  table.className = "list";
  for (const name of heads) { const cell = document.createElement("th"); cell.scope = "col"; cell.className = "n"; cell.textContent = name; head.append(cell); }
  table.createTHead().append(head);
  for (let at = 0; at < all.length; at += step) {
    const line = document.createElement("tr");
    for (const value of all[at]) { const cell = document.createElement("td"); cell.className = "n"; cell.textContent = value; line.append(cell); }
    body.append(line);
  }
  table.append(body);
  const box = document.createElement("div");
  box.className = "scroll";
  box.tabIndex = 0;
  box.append(table);
  details.querySelector(".scroll")?.remove();
  details.append(box);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const chart of charts) if (chart.plot) chart.make(chart.plot.data); });

export function buttons(place, list) {
  place.replaceChildren(...list.map(([name, act, pressed]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
    button.addEventListener("click", act);
    return button;
  }));
}

