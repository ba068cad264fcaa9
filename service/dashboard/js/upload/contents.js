/** What was found in a data set: its columns, arrays or images, and how the classes balance. */

import { h } from "../dom.js";
import { count, number, percent, plural } from "../format.js";

const MOST_BARS = 12;
const FIGURES = new Set(["Missing", "Different"]);

/** One line that says what a data set is. */
export function summary(dataset) {
  const rows = plural(dataset.rows, "row") + parts(dataset.split);
  if (dataset.columns) return `${rows}, ${plural(dataset.columns.length, "column")}`;
  if (dataset.arrays)
    return `${rows}, ${dataset.arrays.map(({ name, shape }) => `${name} ${shape.join("×")}`).join(", ")}`;
  return `${plural(dataset.rows, "image")}, ${plural(dataset.images.classes.length, "class").replace("classs", "classes")}`;
}

/** The rows of each part of a file that is divided already. */
function parts(split) {
  if (!split) return "";
  const named = [
    [split.train, "training"],
    [split.validation, "validation"],
    [split.test, "test"],
  ];
  const told = named.filter(([rows]) => rows > 0).map(([rows, part]) => `${count(rows)} ${part}`);
  return ` (${told.join(", ")})`;
}

/** The contents as an element. */
export function contents(dataset) {
  if (dataset.columns) return columnTable(dataset);
  if (dataset.arrays) return arrayTable(dataset);
  return imageFolder(dataset.images);
}

/** How many rows each value has, as bars. */
export function balance(values, rows) {
  const shown =
    values.length > MOST_BARS
      ? [...values].sort((a, b) => b.rows - a.rows).slice(0, MOST_BARS)
      : values;
  const most = Math.max(...shown.map((each) => each.rows), 1);
  const rest = values.length - shown.length;
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
          h("span", { class: "amount", style: { width: `${(100 * amount) / most}%` } }),
        ),
        h("span", { class: "figure" }, `${count(amount)}, ${percent(amount / rows)}`),
      ),
    ),
    rest > 0 ? h("li", { class: "quiet" }, `and ${plural(rest, "value")} more`) : null,
  );
}

function columnTable({ columns, rows }) {
  const heads = ["Column", "Type", "Missing", "Different", "Values"];
  return scrolled(
    "Columns",
    heads,
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
          column.values && column.values.length <= MOST_BARS
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
  return scrolled(
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
  const span = ([least, most]) => (least === most ? String(least) : `${least} to ${most}`);
  const total = classes.reduce((sum, each) => sum + each.rows, 0);
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

function scrolled(label, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      { class: "contents" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((each) =>
            h("th", { scope: "col", class: FIGURES.has(each) ? "figure" : null }, each),
          ),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}
