// How numbers are written: the unit's prefix by size, so many digits that the last one still moves.
const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];
const UNITS = { voltage: "V", current: "A", capacity: "Ah", energy: "Wh", power: "W", resistance: "Ω", frequency: "Hz" };

export function fixed(value, digits) {
  const text = value.toFixed(Math.max(0, digits));
  return text.replace("-", "−");
}

export function quantity(value, kind, digits = 5) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  if (kind === "duration") return duration(value);
  if (kind === "temperature") return `${fixed(value, 1)} °C`;
  if (kind === "voltage") return Math.abs(value) < 0.1 && value !== 0 ? `${fixed(value * 1e3, 3)} mV` : `${fixed(value, 4)} V`;
  const unit = UNITS[kind] || "";
  if (value === 0) return `0 ${unit}`;
  const size = Math.abs(value);
  const [factor, prefix] = PREFIXES.find(([each]) => size >= each * 0.99999) || PREFIXES[PREFIXES.length - 1];
  const scaled = value / factor;
  return `${fixed(scaled, digits - 1 - Math.floor(Math.log10(Math.max(Math.abs(scaled), 1))))} ${prefix}${unit}`;
}

export function scale(values, unit) {
  let most = 0;
  for (const value of values) if (value !== null && Math.abs(value) > most) most = Math.abs(value);
  const [factor, prefix] = PREFIXES.find(([each]) => most >= each * 0.5) || [1, ""];
  return { factor: unit === "V" ? 1 : factor, label: unit === "V" ? "V" : prefix + unit };
}

export function duration(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds < 0) return "–";
  const whole = Math.round(seconds), parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]], found = [];
  let rest = whole;
  for (const [size, word] of parts) {
    if (rest >= size || (size === 1 && !found.length)) { found.push(`${Math.floor(rest / size)} ${word}`); rest %= size; }
    if (found.length === 2) break;
  }
  return found.join(" ");
}

export function moment(unix) {
  const at = new Date(unix * 1000), two = (value) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function age(seconds) {
  if (seconds < 0) return "now";
  return duration(Math.floor(seconds));
}
