/** Tables of the jobs' measurements and of the differences between their specs. */

import { h } from "../dom.js";
import { number, plural } from "../format.js";
import { statusBadge } from "../status.js";

const LEADING_METRICS = [
  "val_data_loss",
  "train_data_loss",
  "gap",
  "penalty",
  "val_accuracy",
  "test_data_loss",
  "test_accuracy",
];

/** The tables of a GET /compare response. */
export function comparisonTables({ jobs, differences, differences_left_out: omitted }) {
  return [
    h(
      "section",
      { "aria-labelledby": "measured-title" },
      h("h2", { id: "measured-title" }, "Measurements"),
      measurementTable(jobs),
    ),
    h(
      "section",
      { "aria-labelledby": "differences-title" },
      h("h2", { id: "differences-title" }, "Differences between the specs"),
      differenceTable(jobs, differences),
      differences.some(hasDefaults)
        ? h("p", { class: "note" }, "Gray: default, not set in the spec.")
        : null,
      omitted > 0
        ? h("p", { class: "note" }, `${plural(omitted, "more difference")} not shown`)
        : null,
    ),
  ];
}

function measurementTable(jobs) {
  const names = [...new Set(jobs.flatMap(({ metrics }) => Object.keys(metrics)))];
  const ordered = [
    ...LEADING_METRICS.filter((name) => names.includes(name)),
    ...names.filter((name) => !LEADING_METRICS.includes(name)),
  ];
  const rows = ordered.map((name) =>
    row(
      name,
      jobs.map(({ metrics }) => metrics[name]),
      bestOf(name),
    ),
  );
  const statuses = h(
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
  return table("measured-title", jobs, [statuses, verdicts, ...rows]);
}

function row(name, values, pickBest) {
  const finite = values.filter((value) => typeof value === "number");
  const best = pickBest === null || finite.length < 2 ? null : pickBest(...finite);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, name)),
    values.map((value) =>
      h(
        "td",
        { class: best !== null && value === best ? "figure best" : "figure" },
        // Null means measured but not finite; undefined means not measured.
        value === null ? "not finite" : number(value),
        best !== null && value === best ? h("span", { class: "visually-hidden" }, " (best)") : null,
      ),
    ),
  );
}

/**
 * How to pick the best value of a metric; null where no value is better. Training rows do not show
 * which model is better, and neither does a loss that includes its penalty.
 */
function bestOf(name) {
  if (!/^(gap|(val|test)_(?!loss$|penalty$).+)$/.test(name)) return null;
  return /(accuracy|auc|precision|recall|f1_score|r2_score)$/.test(name) ? Math.max : Math.min;
}

function differenceTable(jobs, differences) {
  if (differences.length === 0) return h("p", { class: "note" }, "The specs are identical.");
  const rows = differences.map(({ label, pointers, values }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, breakable(label))),
      jobs.map(({ id }) => h("td", {}, specValue(id, values, pointers))),
    ),
  );
  return table("differences-title", jobs, rows);
}

/** A label that may wrap after its dots on a narrow screen. */
function breakable(label) {
  return label.split(/(?<=\.)/).flatMap((part, index) => (index ? [h("wbr", {}), part] : part));
}

function hasDefaults({ pointers, values }) {
  return Object.keys(values).some((id) => !(id in pointers));
}

/** A job's value, grayed if it is a default that the spec does not set. */
function specValue(id, values, pointers) {
  if (!(id in values)) return h("span", { class: "quiet" }, "none");
  const text = h("code", {}, formatted(values[id]));
  if (id in pointers) return text;
  return h("span", { class: "quiet" }, text, h("span", { class: "visually-hidden" }, " (default)"));
}

/** A value as JSON; a layer as a Python call. */
function formatted(value) {
  if (typeof value?.type !== "string") return JSON.stringify(value);
  const { type, ...settings } = value;
  const pairs = Object.entries(settings);
  const parameters = pairs.map(([name, setting]) => `${name}=${JSON.stringify(setting)}`);
  return `${type}(${parameters.join(", ")})`;
}

function table(labelledby, jobs, rows) {
  const jobHeaders = jobs.map(({ id, name }) =>
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
        h(
          "tr",
          {},
          h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Item")),
          jobHeaders,
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}
