/** Advice on a job's spec, and its penalties. */

import { h, replace } from "../dom.js";
import { number } from "../format.js";

export function advice() {
  const list = h("ul", { class: "remarks" });
  const element = h(
    "section",
    { "aria-labelledby": "advice-title" },
    h("h2", { id: "advice-title" }, "Advice on the spec"),
    list,
  );
  let shown = false;
  return {
    element,
    update(job) {
      if (shown) return;
      shown = true;
      element.hidden = job.advice.length === 0;
      replace(
        list,
        job.advice.map((entry) => remark(entry)),
      );
    },
  };
}

/** A remark as a list item; `onPointer(pointer)` is called when its place is clicked. */
export function remark({ severity, pointer, message, source }, onPointer = null) {
  const place = onPointer
    ? h(
        "button",
        { type: "button", class: "pointer", onclick: () => onPointer(pointer) },
        pointer || "the whole spec",
      )
    : h("code", { class: "pointer" }, pointer || "the whole spec");
  return h(
    "li",
    { class: severity },
    h(
      "p",
      {},
      h("span", { class: "severity" }, severity === "warning" ? "Warning: " : "Note: "),
      message,
    ),
    h("p", { class: "source" }, place, " ", source),
  );
}

export function penalties() {
  const body = h("tbody", {});
  const table = h(
    "table",
    { class: "terms" },
    h(
      "caption",
      { class: "visually-hidden" },
      "Penalties: λ from the spec, and the coefficient passed to Keras",
    ),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Weight"),
        h("th", { scope: "col" }, "Kind"),
        h("th", { scope: "col", class: "figure" }, "λ"),
        h("th", { scope: "col", class: "figure" }, "Keras coefficient"),
        h("th", { scope: "col" }, "Formula"),
      ),
    ),
    body,
  );
  const none = h("p", { class: "quiet" }, "No weight penalty: only the data loss is minimized.");
  const element = h(
    "section",
    { "aria-labelledby": "penalties-title" },
    h("h2", { id: "penalties-title" }, "Penalties"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "penalties-title" },
      table,
    ),
    none,
  );
  let shown = false;
  return {
    element,
    update(job) {
      if (shown) return;
      shown = true;
      none.hidden = job.penalties.length > 0;
      table.hidden = job.penalties.length === 0;
      replace(body, job.penalties.map(row));
    },
  };
}

function row({ layer, weight, kind, strength, coefficient, formula, proximal }) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, `${layer}/${weight}`),
    h("td", {}, proximal ? `${kind}, proximal` : kind),
    h("td", { class: "figure" }, number(strength)),
    h("td", { class: "figure" }, number(coefficient)),
    h("td", { class: "formula" }, formula),
  );
}
