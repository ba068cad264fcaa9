/** Asks for confirmation before an action that cannot be undone. */

import { h } from "./dom.js";

/** Resolve to whether the user confirmed. */
export function askToConfirm({ title, text, confirmLabel, cancelLabel = "Keep" }) {
  return new Promise((resolve) => {
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
          { class: "button", type: "button", autofocus: true, onclick: () => dialog.close("") },
          cancelLabel,
        ),
        h(
          "button",
          { class: "button danger", type: "button", onclick: () => dialog.close("confirmed") },
          confirmLabel,
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "confirmed");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
