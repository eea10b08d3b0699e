// A page without a stream: ages grow, and whether the daemon answers is looked at now and then.
import { ages, clock } from "./live.js";

export function still() {
  const made = Number(document.querySelector("[data-now]")?.dataset.now);
  if (made) clock.offset = made - Date.now() / 1000;
  look();
  setInterval(look, 4000);
  ages();
  setInterval(ages, 1000);
}

async function look() {
  const pulse = document.getElementById("pulse");
  if (!pulse) return;
  const there = await fetch("/health").then((answer) => answer.ok, () => false);
  pulse.dataset.pulse = there ? "live" : "lost";
  pulse.querySelector("span").textContent = there ? "daemon answers" : "daemon lost";
}
