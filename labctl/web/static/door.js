import { post } from "./live.js";

const reason = document.getElementById("reason");
const form = document.getElementById("login");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  reason.textContent = "";
  const given = new FormData(form);
  try {
    await post("/login", { name: given.get("name"), password: given.get("password") });
    location.replace(form.dataset.next);
  } catch (error) {
    reason.textContent = error.message;
    reason.classList.add("bad");
  }
});

if (document.getElementById("enter")) {
  const key = location.hash.slice(1);
  history.replaceState(null, "", "/enter");
  try {
    if (!key) throw new Error("This address lets in only as a whole link, with what stands behind its #; ask for a new one: labctl people link NAME");
    await post("/enter", { key });
    location.replace("/");
  } catch (error) {
    reason.textContent = error.message;
    reason.classList.add("bad");
  }
}
