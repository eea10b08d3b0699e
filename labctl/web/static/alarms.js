import "./plain.js";
import { post, say } from "./live.js";

for (const button of document.querySelectorAll("[data-ack]")) {
  button.addEventListener("click", async () => {
    try {
      await post("/alarms", { id: button.dataset.ack });
      button.replaceWith("you, just now");
    } catch (error) { say(error.message, true); }
  });
}
