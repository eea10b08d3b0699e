// Writing and starting: every change is checked by the program itself, and nothing starts that has an error.
import "./plain.js";
import { get, identity, post, say } from "./live.js";
import { duration, moment, quantity } from "./values.js";
import { DryRun } from "./dry.js";

const at = (id) => document.getElementById(id);
const WAIT = 300; // ms after the last key
const edit = at("author").dataset.edit;
let due = 0, number = 0, plan = null;

function el(tag, text, kind) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

const dry = new DryRun(() => ({ protocol: at("protocol").value, cell: at("cell").value, values: at("values").value }));

function later() {
  clearTimeout(due);
  dry.changed();
  ready(false, "Checking …");
  due = setTimeout(check, WAIT);
}

function ready(may, words) {
  const start = at("start");
  if (may) start.removeAttribute("aria-disabled");
  else start.setAttribute("aria-disabled", "true");
  at("reason").className = "reason";
  at("reason").textContent = words;
}

async function check() {
  const mine = ++number;
  let told;
  try { told = await post("/api/check", { protocol: at("protocol").value, cell: at("cell").value, values: at("values").value }); } catch (error) { ready(false, error.message); return; }
  if (mine !== number) return;
  gutter(told.findings);
  findings(told.findings, told.trouble);
  plan = told.plan;
  show(plan);
  dry.ready(Boolean(plan));
  const errors = told.findings.filter((each) => each.severity === "error").length;
  if (told.trouble) ready(false, told.trouble);
  else if (errors) ready(false, errors === 1 ? "Mend the error first." : `Mend the ${errors} errors first.`);
  else if (!at("channel").value) ready(false, "This station has no channel.");
  else ready(Boolean(plan), plan ? `Takes about ${duration(plan.likely)}.` : "");
}

function gutter(list) {
  const lines = at("protocol").value.split("\n").length, marks = new Map();
  for (const each of list) if (each.file === "protocol.yaml" && marks.get(each.line) !== "error") marks.set(each.line, each.severity);
  at("gutter").replaceChildren(...Array.from({ length: lines }, (_, index) => {
    const mark = marks.get(index + 1);
    return el("span", `${mark ? (mark === "error" ? "✕ " : "! ") : ""}${index + 1}\n`, mark || "");
  }));
}

function findings(list, trouble) {
  const items = list.map((each) => {
    const item = el("li", "", each.severity), go = el("button", `${each.file}:${each.line}:${each.column}`, "quiet");
    go.type = "button";
    go.addEventListener("click", () => jump(each));
    item.append(go, " ", el("b", `${each.severity} ${each.code}`), ` ${each.message}`);
    if (each.hint) item.append(" ", el("span", each.hint, "hint"));
    return item;
  });
  if (!items.length && !trouble) items.push(el("li", "No errors, no warnings.", "fine"));
  at("findings").replaceChildren(...items);
}

function jump(finding) {
  const place = finding.file === "protocol.yaml" ? at("protocol") : at("cell");
  const lines = place.value.split("\n"), from = lines.slice(0, finding.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  place.focus();
  place.setSelectionRange(from + finding.column - 1, from + (lines[finding.line - 1] || "").length);
  place.scrollTop = Math.max(0, (finding.line - 6) * (place.scrollHeight / Math.max(1, lines.length)));
}

function show(given) {
  const sums = at("sums"), pair = (name, text) => { const box = el("div", "", "number"); box.append(el("dt", name), el("dd", text)); return box; };
  at("no-plan").hidden = Boolean(given);
  at("plan").closest("table").hidden = !given;
  if (!given) { sums.replaceChildren(); at("plan").replaceChildren(); at("warnings").replaceChildren(); return; }
  sums.replaceChildren(
    pair("Takes about", duration(given.likely)), ...(edit ? [] : [pair("Done, if begun now", moment(given.finish))]),
    pair("Charge", quantity(given.charge_ah, "capacity", 4)), pair("Rows", Math.round(given.rows).toLocaleString("en").replaceAll(",", " ")),
    ...given.limits.map(([name, text]) => pair(name, text)),
  );
  at("warnings").replaceChildren(...given.warnings.map((text) => el("li", text)));
  at("plan").replaceChildren(...given.steps.map((row) => {
    const line = el("tr", "", row.line ? "" : "block"), does = el("td", row.word, `in${Math.min(row.depth, 6)}`);
    if (row.name) does.append(" ", el("small", row.name));
    line.append(el("td", row.line ? String(row.line) : "", "n"), does, el("td", row.setting), el("td", row.ends));
    return line;
  }));
}

for (const id of ["protocol", "cell", "values"]) at(id).addEventListener("input", later);
at("protocol").addEventListener("scroll", () => { at("gutter").scrollTop = at("protocol").scrollTop; });
for (const [id, key] of [["protocol-name", "protocol"], ["cell-name", "cell"]]) {
  at(id).addEventListener("change", () => {
    const query = new URLSearchParams(location.search);
    query.set("protocol", at("protocol-name").value);
    query.set("cell", at("cell-name").value);
    if (at("channel").value) query.set("channel", at("channel").value);
    location.search = query.toString();
  });
}

const busy = () => at("channel").selectedOptions[0]?.dataset.busy || "";
function named() { if (!edit) at("start").textContent = busy() ? "Queue" : "Start"; }
at("channel").addEventListener("change", named);
named();

const values = () => Object.fromEntries(at("values").value.split("\n").map((line) => line.split("=")).filter((pair) => pair.length > 1).map(([name, ...rest]) => [name.trim(), rest.join("=").trim()]));

function asked(title, text, yes) {
  const dialog = at("ask");
  at("ask-title").textContent = title;
  at("ask-text").textContent = text;
  at("ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

async function begin(channel) {
  const limits = plan.limits.map(([name, text]) => `${name} ${text}`).join(", "), what = `${plan.name} on ${plan.cell}, about ${duration(plan.likely)}. Limits: ${limits}.`;
  const waits = busy(), verb = waits ? "queue" : "start";
  if (!(await asked(waits ? `Queue it on ${channel}?` : `Start on ${channel}?`, waits ? `${what} It begins by itself when the run that is there has ended as done.` : `${what} Current will flow.`, waits ? "Queue" : "Start"))) return;
  ready(false, waits ? "Queueing …" : "Starting …");
  await post(`/orders/${verb}`, { channel, protocol_text: at("protocol").value, cell_text: at("cell").value, values: values(), id: identity() });
  location.assign(`/c/${encodeURIComponent(channel)}`);
}

async function change(channel) {
  const { step_count: seen } = await get(`/api/channel/${encodeURIComponent(channel)}`);
  const body = { channel, protocol_text: at("protocol").value, values: values() };
  const shown = await post("/orders/edit", { ...body, id: identity() });
  if (!(await asked(`Change the run on ${channel}?`, shown.difference, "Let the run take it"))) return;
  await post("/orders/edit", { ...body, apply: true, ...(seen && { step_seen: seen }), id: identity() });
  location.assign(`/c/${encodeURIComponent(channel)}`);
}

at("start").addEventListener("click", async () => {
  if (at("start").getAttribute("aria-disabled") === "true" || !plan) return;
  try {
    await (edit ? change(edit) : begin(at("channel").value));
  } catch (error) {
    ready(true, error.message);
    at("reason").className = "reason bad";
    say(error.message, true);
  }
});

check();
