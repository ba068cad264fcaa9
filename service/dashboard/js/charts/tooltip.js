/** The tooltip of a chart's point under the pointer. */

import { h, replace } from "../dom.js";
import { number } from "../format.js";

const GAP = 14;

const box = h("div", { class: "tooltip", hidden: true, role: "presentation" });

/** Vega's tooltip handler: `value` is null where nothing is under the pointer. */
export function showTooltip(_, event, __, value) {
  if (value === null || value === undefined || value === "") {
    box.hidden = true;
    return;
  }
  if (!box.isConnected) document.body.append(box);
  replace(box, typeof value === "object" ? rows(value) : text(value));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left =
    event.clientX + GAP + width > innerWidth ? event.clientX - GAP - width : event.clientX + GAP;
  const top =
    event.clientY + GAP + height > innerHeight ? event.clientY - GAP - height : event.clientY + GAP;
  box.style.setProperty("left", `${Math.max(0, left)}px`);
  box.style.setProperty("top", `${Math.max(0, top)}px`);
}

/** Hide the tooltip, when its chart is closed. */
export function hideTooltip() {
  box.hidden = true;
}

function rows(value) {
  return h(
    "dl",
    {},
    Object.entries(value).map(([name, field]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, text(field))),
    ),
  );
}

function text(value) {
  return typeof value === "number" && !Number.isInteger(value) ? number(value) : String(value);
}
