// The wall: what changed is kept, and written in the next frame on tiles that are on the screen, each text in place.
import { ages, connect, get } from "./live.js";
import { quantity } from "./values.js";

const wall = document.getElementById("wall");
const tiles = new Map(); // by channel; of each: its element, its places by key, what is known, and what is not written yet
const known = new WeakMap(); // the same by element
for (const tile of wall.querySelectorAll(".tile")) {
  const each = { tile, row: {}, places: null, due: {}, seen: false };
  tiles.set(tile.dataset.channel, each);
  known.set(tile, each);
}

function places(each) {
  if (!each.places) {
    each.places = { bar: each.tile.querySelector(".bar i"), state: each.tile.querySelector(".state"), age: each.tile.querySelector("[data-age]") };
    for (const place of each.tile.querySelectorAll("[data-k]")) each.places[place.dataset.k] = place.firstChild?.nodeType === Node.TEXT_NODE && place.childNodes.length === 1 ? place.firstChild : place;
  }
  return each.places;
}

function put(each, key, text) {
  const place = places(each)[key];
  if (place && place.textContent !== text) place.textContent = text;
}

const waiting = new Set(); // tiles on the screen that something is due on
let frame = 0;
function take(name, changes) {
  const each = tiles.get(name);
  if (!each) return;
  Object.assign(each.row, changes);
  if ("activity" in changes && each.tile.dataset.state !== each.row.activity) write(each, { activity: 1 }); // colours and counts hold for all
  if ("run" in changes && (each.tile.dataset.run || "") !== (each.row.run || "")) { each.tile.dataset.run = each.row.run || ""; draw(); }
  Object.assign(each.due, changes);
  if (each.seen) later(each);
}

function later(each) {
  waiting.add(each);
  if (!frame) frame = requestAnimationFrame(() => {
    frame = 0;
    for (const one of waiting) { write(one, one.due); one.due = {}; }
    waiting.clear();
  });
}

function write(each, due) {
  const { tile, row } = each;
  if ("activity" in due) {
    tile.dataset.state = row.activity;
    places(each).state.dataset.state = row.activity;
    put(each, "activity", row.activity);
  }
  if ("voltage_volt" in due) put(each, "voltage_volt", quantity(row.voltage_volt, "voltage"));
  if ("current_ampere" in due) put(each, "current_ampere", quantity(row.current_ampere, "current"));
  if ("protocol" in due) put(each, "protocol", row.protocol || (document.body.classList.contains("kiosk") ? "no run yet" : "no run yet: open it to start one"));
  if ("cell" in due) put(each, "cell", row.cell || "");
  if ("why" in due) put(each, "why", row.why || "");
  if ("step_type" in due || "cycle_count" in due) put(each, "step", row.step_type ? row.step_type + (row.cycle_count ? `, cycle ${row.cycle_count}` : "") : "");
  if ("progress" in due) places(each).bar.style.inlineSize = `${(100 * (row.progress || 0)).toFixed(1)}%`;
  if ("measured" in due) tile.dataset.measured = row.measured || "";
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
  for (const entry of entries) {
    const each = known.get(entry.target);
    each.seen = entry.isIntersecting;
    seen[each.seen ? "add" : "delete"](entry.target);
    if (each.seen) later(each);
  }
  draw();
}, { rootMargin: "100px" });
for (const { tile } of tiles.values()) eyes.observe(tile); // run, progress and age come with the first word of the stream: a page of a thousand tiles stays small
const old = () => [...seen].map((tile) => places(known.get(tile)).age);
setInterval(() => ages(old()), 1000);

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
  ages: old,
  news(message) {
    for (const name in message.channels) take(name, message.channels[name]);
    counts(message.counts);
    alarms(message.alarms);
  },
});
