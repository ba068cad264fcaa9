/** Filters of the jobs list: status and tag. */

import { h } from "../dom.js";
import { STATUSES } from "../status.js";

const DEBOUNCE_MS = 300;

/** The filters as a form; `onChange` receives the selected filters as query parameters. */
export function filters(query, onChange) {
  const chosen = new Set(query.getAll("status"));
  const boxes = STATUSES.map((status) =>
    h("input", {
      type: "checkbox",
      name: "status",
      value: status,
      checked: chosen.has(status),
      onchange: notify,
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
    timer = setTimeout(notify, DEBOUNCE_MS);
  });

  function notify() {
    const parameters = boxes.filter((box) => box.checked).map((box) => ["status", box.value]);
    if (tag.value.trim()) parameters.push(["tag", tag.value.trim()]);
    onChange(parameters);
  }

  return h(
    "form",
    {
      class: "filters",
      role: "search",
      "aria-label": "Filter jobs",
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
