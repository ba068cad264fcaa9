/** Which jobs are listed: by status and by tag. */

import { h } from "../dom.js";
import { STATUSES } from "../status.js";

const TYPING_MS = 300;

/** A form; `onChange` gets the query parameters that are asked for now. */
export function filters(query, onChange) {
  const chosen = new Set(query.getAll("status"));
  const boxes = STATUSES.map((status) =>
    h("input", {
      type: "checkbox",
      name: "status",
      value: status,
      checked: chosen.has(status),
      onchange: changed,
    }),
  );
  const tag = h("input", {
    type: "search",
    name: "tag",
    value: query.get("tag") ?? "",
    maxlength: 200,
    placeholder: "any",
    autocomplete: "off",
  });
  let timer = null;
  tag.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(changed, TYPING_MS);
  });

  function changed() {
    const wanted = boxes.filter((box) => box.checked).map((box) => ["status", box.value]);
    if (tag.value.trim()) wanted.push(["tag", tag.value.trim()]);
    onChange(wanted);
  }

  return h(
    "form",
    {
      class: "filters",
      role: "search",
      "aria-label": "Jobs",
      onsubmit: (event) => event.preventDefault(),
    },
    h(
      "fieldset",
      { class: "chips" },
      h("legend", {}, "Status"),
      boxes.map((box) => h("label", { class: "chip" }, box, h("span", {}, box.value))),
    ),
    h("label", { class: "inline" }, "Tag ", tag),
  );
}
