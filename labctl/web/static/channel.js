// One channel: numbers in place, curves that grow, orders that say what was seen.
import { connect, get, identity, post, say } from "./live.js";
import { Curves } from "./curves.js";
import { History } from "./history.js";
import { duration, moment, quantity } from "./values.js";

const page = document.getElementById("channel"), name = page.dataset.channel, row = { run: page.dataset.run, step_count: Number(page.dataset.step) || null, activity: page.dataset.state };
let history = new History(page.dataset.run), curves = new Curves(page.dataset.run);
const HOLD = 600; // ms for which stop is held

function put(key, text) {
  for (const place of page.querySelectorAll(`[data-k="${key}"]`)) if (place.textContent !== text) place.textContent = text;
}

function show(changes) {
  const before = { ...row };
  Object.assign(row, changes);
  for (const place of page.querySelectorAll(".numbers [data-kind]")) if (place.dataset.k in changes) put(place.dataset.k, quantity(row[place.dataset.k], place.dataset.kind));
  if ("cycle_count" in changes) put("cycle_count", row.cycle_count || row.cycle_count === 0 ? String(row.cycle_count) : "–");
  if ("protocol" in changes) put("protocol", row.protocol || "no run yet");
  if ("cell" in changes) put("cell", row.cell || "");
  if ("measured" in changes) page.dataset.measured = row.measured || "";
  if ("why" in changes) { put("why", row.why || ""); document.getElementById("why").hidden = !row.why; }
  if ("unblock" in changes) { put("unblock", row.unblock || ""); document.getElementById("go-on").hidden = !row.unblock; }
  if ("activity" in changes) {
    page.dataset.state = row.activity;
    page.querySelector(".title .state").dataset.state = row.activity;
    put("activity", row.activity);
    document.title = `${name} ${row.activity}`;
  }
  if (before.run !== row.run && row.run) { location.reload(); return; }
  if (["activity", "step_count", "why", "unblock", "queue"].some((key) => key in changes && before[key] !== row[key])) look();
  sofar();
  if ("cycle_count" in changes && row.cycle_count !== before.cycle_count) redraw();
}

let longest = Number(page.dataset.longest) || null;
function sofar() {
  // how long the step has gone on, and how much longer it may
  const place = document.getElementById("sofar"), time = row.step_time_second;
  const more = longest && longest > time ? `, at most ${duration(longest - time)} more` : "";
  const text = row.activity === "running" && typeof time === "number" ? `for ${duration(time)} so far${more}` : "";
  if (place && place.textContent !== text) place.textContent = text;
}

let looking = 0;
function look() {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    let more;
    try { more = await get(`/api/channel/${encodeURIComponent(name)}`); } catch { return; }
    longest = more.outlook?.now?.longest || null;
    step(more.outlook);
    sofar();
    orders(more.refused);
    queue(more.waiting);
    events();
  }, 250);
}

function el(tag, text, kind) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function step(outlook) {
  const place = document.getElementById("step");
  if (!outlook || !outlook.now) { place.replaceChildren(el("p", !row.run ? "No run is on this channel." : /^(done|tripped|failed)$/.test(row.activity) ? "The run has ended." : "The run does no step now.", "empty")); return; }
  const { now } = outlook, parts = [];
  const line = el("p", "", "now");
  line.append(el("b", now.verb), ` ${now.sets}`);
  parts.push(line);
  if (now.name) parts.push(el("p", now.name, "named"));
  const until = el("p", "", "until");
  until.append(el("span", "ends"), ` ${now.ends || "when a person says so"}`);
  const going = el("p", "", "sofar");
  going.id = "sofar";
  parts.push(until, going);
  if (now.around) parts.push(el("p", now.around, "around"));
  if (outlook.then.length) {
    const list = el("ol", "", "then");
    for (const each of outlook.then) {
      const item = el("li"), end = el("span", "", "until");
      end.append(el("span", "until"), ` ${each.ends}`);
      item.append(el("b", each.verb), ` ${each.sets} `, end);
      if (each.around) item.append(" ", el("span", each.around, "around"));
      list.append(item);
    }
    parts.push(el("h3", "Then"), list);
  }
  if (outlook.limits.length) {
    const limits = el("dl", "", "limits");
    for (const [what, text] of outlook.limits) { const pair = el("div"); pair.append(el("dt", what), el("dd", text)); limits.append(pair); }
    parts.push(limits);
  }
  place.replaceChildren(...parts);
}

function orders(refused) {
  const place = document.getElementById("orders");
  let confirm = place.querySelector('[data-order="confirm"]');
  if (refused.confirm === "" && !confirm) {
    confirm = el("button", "Confirm", "primary");
    confirm.type = "button";
    confirm.dataset.order = "confirm";
    place.prepend(confirm);
  } else if (refused.confirm !== "") confirm?.remove();
  for (const button of place.querySelectorAll("button[data-order]")) {
    const why = refused[button.dataset.order] || "";
    if (why) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
    button.title = why;
    const words = document.getElementById(`no-${button.dataset.order}`);
    if (words) words.textContent = why;
  }
}

function queue(list) {
  document.getElementById("queue").hidden = !list.length;
  document.getElementById("waiting").replaceChildren(...list.map((each) => {
    const item = el("li"), begin = each.begin_unix_time_second;
    item.append(el("b", each.protocol), ` on ${each.cell}, by ${each.by}${begin ? `, at ${moment(begin)}` : ""}${each.held ? ", held until somebody resumes" : ""} `);
    for (const [words, change] of [["First", { place: 1 }], ["Take out", { remove: true }]]) {
      if (words === "First" && each.place === 1) continue;
      const button = el("button", words, "further");
      button.type = "button";
      button.setAttribute("aria-label", `${words}: ${each.protocol}, place ${each.place}`);
      button.addEventListener("click", () => send("queue", { channel: name, id: identity(), run: each.run, ...change }));
      item.append(button);
    }
    return item;
  }));
}

async function events() {
  if (!row.run) return;
  let list;
  try { list = await get(`/api/run/${row.run}/events`); } catch { return; }
  document.getElementById("events").replaceChildren(...list.slice(0, 30).map((each) => {
    const item = el("li", "", each.grave ? "grave" : "");
    item.append(el("span", duration(each.time), "when"), " ", el("b", each.kind), ` ${each.text}`);
    return item;
  }));
}

// --- orders ---

const WORDS = {
  skip: ["Skip this step?", "The step ends here and the run goes on with the next one."],
  resume: ["Resume?", "The run goes on; current may flow again."],
  confirm: ["Confirm?", "The run goes on."],
  suspend: ["Suspend for a reason outside", "The output goes off. The run goes on when this reason, and every other, is lifted."],
  correct: ["Correct the cell", "Results are made anew beside those of before; currents and rates stay as they were run. What is left empty stays."],
  note: ["Write a note", "It is kept in the run's record, with the moment and your name."],
};

const FIELDS = { correct: [["active_mass", "Active mass", "12.3 mg"], ["area", "Area", "1.13 cm2"], ["film_thickness", "Film thickness", "310 nm"]] };

function give(verb, text = "", more = {}) {
  const seen = ["skip", "resume", "confirm"].includes(verb) && row.step_count ? { step_seen: row.step_count } : {};
  const body = { channel: name, id: identity(), ...seen, ...more };
  if (verb === "confirm" || verb === "note") body.text = text;
  if (verb === "suspend" || (verb === "resume" && text)) body.reason = text;
  if (row.run && row.activity !== "idle") body.run = row.run;
  return send(verb === "suspend" ? "pause" : verb, body);
}

async function send(verb, body) {
  const reason = document.getElementById("reason");
  reason.className = "reason";
  reason.textContent = `${verb} …`;
  try {
    const answer = await post(`/orders/${verb}`, body);
    reason.textContent = `${verb}: ${answer.activity || "done"}${answer.text ? `, ${answer.text}` : ""}`;
  } catch (error) {
    reason.className = "reason bad";
    reason.textContent = error.message;
    say(error.message, true);
  }
  look();
}

function ask(verb) {
  const dialog = document.getElementById("ask"), [title, text] = WORDS[verb], label = document.getElementById("ask-label");
  document.getElementById("ask-title").textContent = title;
  const doing = page.querySelector("#step .now")?.textContent || "";
  document.getElementById("ask-text").textContent = `${name}, ${row.cell || document.querySelector('[data-k="cell"]').textContent}${doing && ["skip", "resume"].includes(verb) ? `: ${doing.trim()}` : ""}${verb === "confirm" && row.why ? `: ${row.why}` : `. ${text}`}`;
  const suspended = (row.why || "").split("suspended: ")[1] || "";
  const asks = { note: "Note", confirm: "What is to be kept with the answer (if anything)", suspend: "Reason, such as glovebox oxygen", ...(suspended && { resume: "Reason that does not hold any more" }) };
  label.hidden = !asks[verb];
  label.querySelector("span").textContent = asks[verb] || "";
  const input = document.getElementById("ask-input");
  input.value = verb === "resume" ? suspended.split("; ")[0] : "";
  document.getElementById("ask-fields").replaceChildren(...(FIELDS[verb] || []).map(([key, words, example]) => {
    const field = el("label", words), box = el("input");
    box.name = key;
    box.placeholder = example;
    field.append(box);
    return field;
  }));
  document.getElementById("ask-yes").textContent = { note: "Write it", correct: "Correct it" }[verb] || verb.charAt(0).toUpperCase() + verb.slice(1);
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.addEventListener("close", () => {
    const text = input.value.trim(), more = Object.fromEntries([...dialog.querySelectorAll("#ask-fields input")].map((box) => [box.name, box.value.trim()]).filter(([, value]) => value));
    if (dialog.returnValue !== "yes" || (["note", "suspend"].includes(verb) && !text) || (FIELDS[verb] && !Object.keys(more).length)) return;
    give(verb, asks[verb] ? text : "", more);
  }, { once: true });
}

const place = document.getElementById("orders");
place.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-order]");
  if (!button) return;
  if (held) { held = false; return; } // the end of a press that has stopped the run: by now it has none to stop
  if (button.getAttribute("aria-disabled") === "true") {
    const reason = document.getElementById("reason");
    reason.className = "reason bad";
    reason.textContent = button.title;
    return;
  }
  const verb = button.dataset.order;
  if (verb === "stop") { if (event.detail === 0) hold(button, event); return; } // from the keyboard; a pointer holds it below
  if (verb === "edit") location.assign(`/new?edit=${encodeURIComponent(name)}`);
  else if (verb === "pause") give("pause");
  else ask(verb);
});

let holding = 0, held = false;
function hold(button, event) {
  clearTimeout(holding);
  button.classList.add("holding");
  document.getElementById("reason").textContent = "Keep it pressed …";
  holding = setTimeout(() => { holding = 0; held = event.type === "pointerdown"; release(); give("stop"); }, HOLD);
}
function release() {
  if (holding) document.getElementById("reason").textContent = "Nothing was stopped: keep Stop pressed until its line is full.";
  clearTimeout(holding);
  holding = 0;
  place.querySelector(".holding")?.classList.remove("holding");
}
place.addEventListener("pointerdown", (event) => {
  held = false;
  const button = event.target.closest('button[data-order="stop"]');
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  button.setPointerCapture(event.pointerId); // what grows above it moves no finger off it
  hold(button, event);
});
for (const kind of ["pointerup", "pointercancel"]) place.addEventListener(kind, release);

// --- live ---

queue(JSON.parse(document.getElementById("queue").dataset.waiting));

let drawn = 0;
async function redraw() {
  const now = row.cycle_count || 0;
  drawn = Date.now();
  if (now > 0 || curves.last) await curves.show(now || curves.last, Math.max(0, now - 1));
  else curves.draw();
}

await history.load();
connect(() => `/live?channel=${encodeURIComponent(name)}${row.run ? `&run=${row.run}&after=${history.last}` : ""}`, {
  news(message, whole) {
    const changes = message.channels[name];
    if (changes) show(changes);
    if (whole) redraw();
  },
  rows(message) {
    history.add(message);
    if (Date.now() - drawn > 5000) redraw();
  },
});
setInterval(() => { if (!document.hidden && /running|paused|waiting|safe/.test(row.activity)) history.steps.length < 400 && history.later(); }, 30000);
