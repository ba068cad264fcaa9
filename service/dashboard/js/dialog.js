/** Asks before something is done that cannot be undone. */

import { h } from "./dom.js";

/** Whether the user says yes. */
export function confirmed({ title, text, yes, no = "Keep it" }) {
  return new Promise((resolve) => {
    const answer = (value) => {
      dialog.close(value);
    };
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, title),
      h("p", {}, text),
      h(
        "div",
        { class: "buttons" },
        h(
          "button",
          { class: "button", type: "button", autofocus: true, onclick: () => answer("") },
          no,
        ),
        h("button", { class: "button danger", type: "button", onclick: () => answer("yes") }, yes),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
