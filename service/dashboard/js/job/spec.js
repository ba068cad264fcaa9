/** The spec as posted and as resolved. */

import { announce } from "../announce.js";
import { h, replace } from "../dom.js";
import { pretty } from "../form/json-text.js";

export function specs() {
  const posted = block("As posted");
  const resolved = block("Resolved, with every default, layer and penalty");
  const element = h(
    "section",
    { "aria-labelledby": "spec-title" },
    h("h2", { id: "spec-title" }, "Spec"),
    posted.element,
    resolved.element,
  );
  let shown = false;
  return {
    element,
    update(job) {
      if (shown) return;
      shown = true;
      posted.show(job.spec);
      resolved.show(job.resolved);
    },
  };
}

function block(label) {
  const text = h("pre", { tabindex: "0", role: "region", "aria-label": label });
  const copy = h("button", { type: "button", class: "button small" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      announce("Copied.");
      replace(copy, "Copied");
    } catch {
      getSelection().selectAllChildren(text);
      announce("Text selected; copy it with the keyboard.");
    }
  });
  return {
    element: h("details", { class: "json" }, h("summary", {}, label), copy, text),
    show(value) {
      text.textContent = pretty(value);
    },
  };
}
