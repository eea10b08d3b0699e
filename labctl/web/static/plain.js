import { get } from "./live.js";

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
export { get };
