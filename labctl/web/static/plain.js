import { ages, clock, get } from "./live.js";

const made = Number(document.querySelector("[data-now]")?.dataset.now);
if (made) clock.offset = made - Date.now() / 1000;

// A page without a stream still says whether the daemon answers.
async function look() {
  const pulse = document.getElementById("pulse");
  if (!pulse) return;
  const there = await fetch("/health").then((answer) => answer.ok, () => false);
  pulse.dataset.pulse = there ? "live" : "lost";
  pulse.querySelector("span").textContent = there ? "daemon answers" : "daemon lost";
}
look();
setInterval(look, 4000);
ages();
setInterval(ages, 1000);
