// The live stream of a page: one at a time, none while the page is hidden, a banner when it falls silent, never given up.
import { age } from "./values.js";

const SILENT = 5000; // ms without a word after which the page says so
const AGAIN = 1000; // ms between two attempts

export const clock = { offset: 0, now: () => Date.now() / 1000 + clock.offset };
let stream = null, heard = 0, address = "", handlers = {}, timer = 0, resting = false, lost = null;

export function connect(url, given) {
  address = url;
  handlers = given;
  open();
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  for (const name of ["online", "pageshow", "focus"]) window.addEventListener(name, () => { if (!document.hidden) open(); });
  setInterval(watch, 500);
  if (!handlers.ages) setInterval(() => ages(), 1000); // a page of many says itself which of them are seen
}

function open() {
  if (stream && stream.readyState !== EventSource.CLOSED && Date.now() - heard < SILENT) return;
  close();
  if (document.hidden) return;
  resting = false;
  heard = Date.now();
  stream = new EventSource(typeof address === "function" ? address() : address);
  for (const name of ["hello", "news", "rows"]) stream.addEventListener(name, (event) => { heard = Date.now(); take(name, JSON.parse(event.data)); });
  stream.addEventListener("resting", () => { resting = true; close(); });
  stream.addEventListener("ended", () => { close(); location.assign("/login"); });
  stream.onerror = () => { if (stream && stream.readyState === EventSource.CLOSED) again(); };
}

function close() {
  clearTimeout(timer);
  if (stream) stream.close();
  stream = null;
}

function again() {
  clearTimeout(timer);
  timer = setTimeout(open, AGAIN);
}

function take(name, message) {
  if (typeof message.now === "number") clock.offset = message.now - Date.now() / 1000;
  if ("lost" in message) lost = message.lost;
  if (name === "rows") handlers.rows?.(message);
  else handlers.news?.(message, name === "hello");
  if (name === "hello") ages(handlers.ages?.());
  watch();
}

function watch() {
  const pulse = document.getElementById("pulse"), banner = document.getElementById("banner");
  const silent = Date.now() - heard;
  let words = "";
  if (!document.hidden && silent > SILENT) {
    words = `These pages have not been heard of for ${age(silent / 1000)}; what stands here is of then. Runs go on by themselves.`;
    if (!resting) open();
  } else if (lost) {
    words = `The daemon has not answered since ${new Date(lost * 1000).toLocaleTimeString()}; what stands here is of the journal. Orders cannot be given from here now.`;
  } else if (resting) words = "This page rests: too many pages of yours are open. Come back to it to see it live.";
  if (pulse) {
    pulse.dataset.pulse = words ? "lost" : stream ? "live" : "off";
    const text = pulse.querySelector("span"), word = words ? (lost ? "daemon lost" : "silent") : stream ? "live" : "not live";
    if (text.textContent !== word) text.textContent = word;
  }
  if (banner) {
    if (banner.textContent !== words) banner.textContent = words;
    banner.hidden = !words;
  }
}

export function ages(places = document.querySelectorAll("[data-age]")) {
  for (const place of places) {
    const measured = Number(place.closest("[data-measured]")?.dataset.measured);
    const old = measured ? clock.now() - measured : NaN, ahead = old < -60; // a simulated clock that runs faster than ours
    const state = place.closest("[data-state]")?.dataset.state || "", settled = /^(done|idle|tripped|failed)$/.test(state);
    const after = settled || /^seen$/.test(state) ? " ago" : place.dataset.age && ` ${place.dataset.age}`;
    const text = measured && !ahead ? age(Math.max(0, old)) + after : "";
    if (place.textContent !== text) place.textContent = text;
    place.classList.toggle("old", !settled && old > 30);
  }
}

export async function post(url, body) {
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  let told = {};
  try { told = await answer.json(); } catch { /* an answer without words */ }
  if (!answer.ok) throw new Error(told.error || `the pages answered ${answer.status}`);
  return told;
}

// by which an order that is sent twice is obeyed once
export const identity = () => (crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now());

export async function get(url) {
  const answer = await fetch(url, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `the pages answered ${answer.status}`);
  return answer.json();
}

export function say(words, bad = false) {
  const toast = document.getElementById("toast");
  toast.textContent = words;
  toast.classList.toggle("bad", bad);
  toast.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { toast.hidden = true; }, bad ? 12000 : 5000);
}

document.getElementById("sign-out")?.addEventListener("click", async () => {
  await post("/logout", {}).catch(() => {});
  location.assign("/login");
});
