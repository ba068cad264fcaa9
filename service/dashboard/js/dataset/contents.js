/** A data set's contents: its columns, arrays or images, and its class balance. */

import { h } from "../dom.js";
import { count, number, percent, plural } from "../format.js";

const MAX_BARS = 12;
const NUMERIC_COLUMNS = new Set(["Missing", "Distinct"]);

/** A one-line summary of a data set. */
export function summary(dataset) {
  const rows = plural(dataset.rows, "row") + splitNote(dataset.split);
  if (dataset.columns) return `${rows}, ${plural(dataset.columns.length, "column")}`;
  if (dataset.arrays)
    return `${rows}, ${dataset.arrays.map(({ name, shape }) => `${name} ${shape.join("×")}`).join(", ")}`;
  return `${plural(dataset.rows, "image")}, ${plural(dataset.images.classes.length, "class").replace("classs", "classes")}`;
}

/** The rows per part of a file that is already split. */
function splitNote(split) {
  if (!split) return "";
  const parts = [
    [split.train, "training"],
    [split.validation, "validation"],
    [split.test, "test"],
  ];
  const counts = parts.filter(([rows]) => rows > 0).map(([rows, part]) => `${count(rows)} ${part}`);
  return ` (${counts.join(", ")})`;
}

/** The contents as an element. */
export function contents(dataset) {
  if (dataset.columns) return columnTable(dataset);
  if (dataset.arrays) return arrayTable(dataset);
  return imageFolder(dataset.images);
}

/** The number of rows per value, as bars. */
export function balance(values, rows) {
  const shown =
    values.length > MAX_BARS
      ? [...values].sort((a, b) => b.rows - a.rows).slice(0, MAX_BARS)
      : values;
  const largest = Math.max(...shown.map((value) => value.rows), 1);
  const hiddenValues = values.length - shown.length;
  return h(
    "ul",
    { class: "balance" },
    shown.map(({ value, rows: amount }) =>
      h(
        "li",
        {},
        h("span", { class: "value" }, value === "" ? "(empty)" : value),
        h(
          "span",
          { class: "track", "aria-hidden": "true" },
          h("span", { class: "amount", style: { width: `${(100 * amount) / largest}%` } }),
        ),
        h("span", { class: "figure" }, `${count(amount)}, ${percent(amount / rows)}`),
      ),
    ),
    hiddenValues > 0
      ? h("li", { class: "quiet" }, `${plural(hiddenValues, "more value")} not shown`)
      : null,
  );
}

function columnTable({ columns, rows }) {
  const headers = ["Column", "Type", "Missing", "Distinct", "Values"];
  return scrollableTable(
    "Columns",
    headers,
    columns.map((column) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, column.name),
        h("td", {}, column.type),
        h(
          "td",
          { class: "figure" },
          column.missing === 0
            ? "0"
            : `${count(column.missing)}, ${percent(column.missing / rows)}`,
        ),
        h("td", { class: "figure" }, column.distinct === null ? "many" : count(column.distinct)),
        h(
          "td",
          {},
          column.values && column.values.length <= MAX_BARS
            ? balance(column.values, rows)
            : range(column),
        ),
      ),
    ),
  );
}

function range({ minimum, maximum }) {
  return minimum === null || minimum === undefined
    ? "–"
    : `${number(minimum)} to ${number(maximum)}`;
}

function arrayTable({ arrays }) {
  return scrollableTable(
    "Arrays",
    ["Array", "Shape", "Type", "Values"],
    arrays.map((array) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, array.name),
        h("td", {}, array.shape.join("×")),
        h("td", {}, h("code", {}, array.dtype)),
        h("td", {}, array.values ? balance(array.values, array.shape[0]) : range(array)),
      ),
    ),
  );
}

function imageFolder({ height, width, channels, classes }) {
  const span = ([minimum, maximum]) =>
    minimum === maximum ? String(minimum) : `${minimum} to ${maximum}`;
  const total = classes.reduce((sum, { rows }) => sum + rows, 0);
  return h(
    "div",
    { class: "page" },
    h(
      "dl",
      { class: "rest" },
      [
        ["Height", `${span(height)} pixels`],
        ["Width", `${span(width)} pixels`],
        ["Channels", channels.join(", ")],
      ].map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
    ),
    h("h2", {}, "Classes"),
    balance(classes, total),
  );
}

function scrollableTable(title, headers, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    h(
      "table",
      { class: "contents" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          headers.map((label) =>
            h("th", { scope: "col", class: NUMERIC_COLUMNS.has(label) ? "figure" : null }, label),
          ),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}
