/** A job's main measurements in large type, and the others below. */

import { h, replace, setText } from "../dom.js";
import { number, percent } from "../format.js";

const FIGURES = [
  ["val_data_loss", "Validation data loss", "without the penalty"],
  ["train_data_loss", "Training data loss", "fixed sample of rows, dropout off"],
  ["gap", "Gap", "validation minus training"],
  ["penalty", "Penalty", null],
  ["val_accuracy", "Validation accuracy", null],
  ["test_data_loss", "Test data loss", "on rows held out until the end"],
  ["test_accuracy", "Test accuracy", null],
];

export function facts() {
  const list = h("dl", { class: "figures" });
  const rest = h("dl", { class: "rest" });
  const epoch = h("p", { class: "note" });
  const more = h("details", {}, h("summary", {}, "Other measurements"), rest);
  const element = h(
    "section",
    { class: "facts", "aria-label": "Measurements", hidden: true },
    list,
    epoch,
    more,
  );
  return {
    element,
    update(job) {
      const { metrics } = job;
      setText(epoch, measuredAfter(job));
      element.hidden = Object.keys(metrics).length === 0;
      replace(
        list,
        FIGURES.filter(([name]) => name in metrics).map((figure) => entry(figure, metrics)),
      );
      const others = Object.keys(metrics).filter(
        (name) => !FIGURES.some(([listed]) => listed === name),
      );
      more.hidden = others.length === 0;
      replace(
        rest,
        others.map((name) =>
          h("div", {}, h("dt", {}, h("code", {}, name)), h("dd", {}, measurement(metrics[name]))),
        ),
      );
    },
  };
}

/** Which epoch's values the measurements are. */
function measuredAfter({ status, progress, resolved }) {
  const keepsBest = resolved.training.early_stopping?.restore_best_weights;
  return status === "succeeded" && keepsBest
    ? "Of the epoch whose weights were kept"
    : `Of the last epoch, ${progress.epoch}`;
}

function entry([name, label, remark], metrics) {
  return h(
    "div",
    { class: `figure-${name.replaceAll("_", "-")}` },
    h("dt", {}, label),
    h("dd", {}, measurement(metrics[name])),
    h("dd", { class: "remark" }, remark ?? penaltyShare(name, metrics)),
  );
}

/** A measurement as text; null means measured but not finite. */
function measurement(value) {
  return value === null ? "not finite" : number(value);
}

function penaltyShare(name, metrics) {
  if (name !== "penalty" || !metrics.loss) return "";
  return `${percent(metrics.penalty / metrics.loss)} of the training loss`;
}
