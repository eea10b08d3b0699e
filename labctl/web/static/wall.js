// The wall: texts are changed in place, only what changed; sparklines are drawn for tiles that are on the screen.
import { connect, get } from "./live.js";
import { quantity } from "./values.js";

const wall = document.getElementById("wall");
const tiles = new Map([...wall.querySelectorAll(".tile")].map((tile) => [tile.dataset.channel, { tile, row: {} }]));

function put(tile, key, text) {
  const place = tile.querySelector(`[data-k="${key}"]`);
  if (place && place.textContent !== text) place.textContent = text;
}

function show(name, changes) {
  const known = tiles.get(name);
  if (!known) return;
  const { tile, row } = known;
  Object.assign(row, changes);
  if ("activity" in changes) {
    tile.dataset.state = row.activity;
    tile.querySelector(".state").dataset.state = row.activity;
    put(tile, "activity", row.activity);
  }
  if ("voltage_volt" in changes) put(tile, "voltage_volt", quantity(row.voltage_volt, "voltage"));
  if ("current_ampere" in changes) put(tile, "current_ampere", quantity(row.current_ampere, "current"));
  if ("protocol" in changes) put(tile, "protocol", row.protocol || "no run yet: open it to start one");
  if ("cell" in changes) put(tile, "cell", row.cell || "");
  if ("why" in changes) put(tile, "why", row.why || "");
  if ("step_type" in changes || "cycle_count" in changes) put(tile, "step", row.step_type ? row.step_type + (row.cycle_count ? `, cycle ${row.cycle_count}` : "") : "");
  if ("progress" in changes) tile.querySelector(".bar i").style.inlineSize = `${100 * (row.progress || 0)}%`;
  if ("measured" in changes) tile.dataset.measured = row.measured || "";
  if ("run" in changes && (tile.dataset.run || "") !== (row.run || "")) { tile.dataset.run = row.run || ""; draw(); }
}

function counts(given) {
  let all = 0;
  for (const value of Object.values(given)) all += value;
  for (const place of document.querySelectorAll("[data-count]")) {
    const name = place.dataset.count, value = String(name === "all" ? all : given[name] || 0);
    if (place.textContent !== value) place.textContent = value;
    const link = place.closest("[data-filter]");
    if (link && !link.hasAttribute("aria-current")) link.hidden = value === "0";
  }
}

function alarms(list) {
  const place = document.getElementById("alarms"), text = JSON.stringify(list);
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  place.replaceChildren(...list.map((each) => {
    const line = document.createElement("p"), word = document.createElement("b");
    line.className = "alarm";
    line.dataset.severity = each.severity;
    word.textContent = each.severity;
    line.append(word, ` ${each.text}`);
    return line;
  }));
}

const seen = new Set();
const eyes = new IntersectionObserver((entries) => {
  for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target);
  draw();
}, { rootMargin: "100px" });
for (const { tile } of tiles.values()) eyes.observe(tile); // run, progress and age come with the first word of the stream: a page of a thousand tiles stays small

let asked = 0;
function draw() {
  clearTimeout(asked);
  asked = setTimeout(sparks, 150);
}
async function sparks() {
  const wanted = [...seen].filter((tile) => tile.dataset.run).slice(0, 64);
  if (!wanted.length || document.hidden) return;
  let answer;
  try { answer = await get(`/api/sparks?${wanted.map((tile) => `run=${tile.dataset.run}`).join("&")}`); } catch { return; }
  if (wanted.some((tile) => !(tile.dataset.run in answer))) asked = setTimeout(sparks, 1000); // made a few at a time
  for (const tile of wanted) {
    const curve = answer[tile.dataset.run];
    if (!curve || curve.t.length < 2) continue;
    const values = curve.y.filter((value) => value !== null), low = Math.min(...values), span = Math.max(Math.max(...values) - low, 1e-3), base = low - (span - (Math.max(...values) - low)) / 2;
    const first = curve.t[0], length = curve.t[curve.t.length - 1] - first || 1;
    const points = curve.t.map((time, at) => (curve.y[at] === null ? "" : `${(100 * (time - first) / length).toFixed(1)},${(23 - 22 * (curve.y[at] - base) / span).toFixed(1)}`));
    tile.querySelector("polyline").setAttribute("points", points.join(" "));
  }
}
setInterval(sparks, 10000);

connect("/live", {
  news(message) {
    for (const [name, changes] of Object.entries(message.channels)) show(name, changes);
    counts(message.counts);
    alarms(message.alarms);
  },
});
