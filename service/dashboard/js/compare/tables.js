/** What jobs measured, and where their specs differ, as tables. */

import { h } from "../dom.js";
import { number, plural } from "../format.js";
import { statusBadge } from "../status.js";

const FIRST = [
  "val_data_loss",
  "train_data_loss",
  "gap",
  "penalty",
  "val_accuracy",
  "test_data_loss",
  "test_accuracy",
];

/** The tables of a comparison. */
export function comparisonTables({ jobs, differences, differences_left_out: more }) {
  return [
    h(
      "section",
      { "aria-labelledby": "measured-title" },
      h("h2", { id: "measured-title" }, "Measured"),
      measured(jobs),
    ),
    h(
      "section",
      { "aria-labelledby": "differences-title" },
      h("h2", { id: "differences-title" }, "Where the specs differ"),
      differing(jobs, differences),
      differences.some(leavesUnsaid)
        ? h("p", { class: "note" }, "Paler: not said in the spec, but what its silence means.")
        : null,
      more > 0 ? h("p", { class: "note" }, `and ${plural(more, "difference")} more`) : null,
    ),
  ];
}

function measured(jobs) {
  const names = [...new Set(jobs.flatMap(({ metrics }) => Object.keys(metrics)))];
  const ordered = [
    ...FIRST.filter((name) => names.includes(name)),
    ...names.filter((name) => !FIRST.includes(name)),
  ];
  const rows = ordered.map((name) =>
    row(
      name,
      jobs.map(({ metrics }) => metrics[name]),
      better(name),
    ),
  );
  const states = h(
    "tr",
    {},
    h("th", { scope: "row" }, "status"),
    jobs.map(({ status }) => h("td", {}, statusBadge(status))),
  );
  const verdicts = h(
    "tr",
    {},
    h("th", { scope: "row" }, "verdict"),
    jobs.map(({ verdict }) => h("td", { class: "verdict-cell" }, verdict ?? "–")),
  );
  return table("measured-title", jobs, [states, verdicts, ...rows]);
}

function row(name, values, choose) {
  const known = values.filter((value) => typeof value === "number");
  const best = choose === null || known.length < 2 ? null : choose(...known);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, name)),
    values.map((value) =>
      h(
        "td",
        { class: best !== null && value === best ? "figure best" : "figure" },
        // Null where it was no finite number, which is a finding and no gap in the data.
        value === null ? "not finite" : number(value),
        best !== null && value === best ? h("span", { class: "unseen" }, " (best)") : null,
      ),
    ),
  );
}

/**
 * How to choose the best value of a measurement; null where none is better. Only rows that were not
 * trained on say which model is better, and a loss with its penalty does not say it either.
 */
function better(name) {
  if (!/^(gap|(val|test)_(?!loss$|penalty$).+)$/.test(name)) return null;
  return /(accuracy|auc|precision|recall|f1_score|r2_score)$/.test(name) ? Math.max : Math.min;
}

function differing(jobs, differences) {
  if (differences.length === 0) return h("p", { class: "note" }, "The specs say the same.");
  const rows = differences.map(({ label, pointers, values }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, breakable(label))),
      jobs.map(({ id }) => h("td", {}, shown(id, values, pointers))),
    ),
  );
  return table("differences-title", jobs, rows);
}

/** A label that may be broken behind its points, where a screen is narrow. */
function breakable(label) {
  return label.split(/(?<=\.)/).flatMap((part, index) => (index ? [h("wbr", {}), part] : part));
}

function leavesUnsaid({ pointers, values }) {
  return Object.keys(values).some((id) => !(id in pointers));
}

/** A job's value, paler where its spec does not say it. */
function shown(id, values, pointers) {
  if (!(id in values)) return h("span", { class: "quiet" }, "none");
  const text = h("code", {}, written(values[id]));
  if (id in pointers) return text;
  return h("span", { class: "quiet" }, text, h("span", { class: "unseen" }, " (not said)"));
}

/** A value as JSON; a layer as Python calls it. */
function written(value) {
  if (typeof value?.type !== "string") return JSON.stringify(value);
  const { type, ...given } = value;
  const names = Object.entries(given).map(([name, each]) => `${name}=${JSON.stringify(each)}`);
  return `${type}(${names.join(", ")})`;
}

function table(labelledby, jobs, rows) {
  const heads = jobs.map(({ id, name }) =>
    h(
      "th",
      { scope: "col" },
      h("a", { href: `/ui/jobs/${id}` }, name ?? "Job"),
      h("small", {}, id.slice(-8)),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": labelledby },
    h(
      "table",
      { class: "compared" },
      h(
        "thead",
        {},
        h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "What")), heads),
      ),
      h("tbody", {}, rows),
    ),
  );
}
