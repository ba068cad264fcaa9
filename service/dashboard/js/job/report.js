/** The report: verdict, evidence, what to change, and the weights. */

import { get, left } from "../api.js";
import { h, replace } from "../dom.js";
import { number, percent } from "../format.js";
import { weightTable } from "./weights.js";

const VERDICTS = {
  good: "It learned, and what it learned holds for rows it has not seen.",
  overfit: "It learned of the training rows what does not hold for others.",
  underfit: "It has hardly learned the training rows.",
  diverged: "The loss grew or became infinite in place of falling.",
  unclear: "Too little was measured, or the signs contradict each other.",
};

/** The verdict with all that led to it, and the table of weights, which is wider. */
export function report(id, signal) {
  const content = h("div", { class: "report" });
  const element = h(
    "section",
    { "aria-labelledby": "report-title", hidden: true },
    h("h2", { id: "report-title" }, "Did the regularization work?"),
    content,
  );
  const weights = h("section", { "aria-labelledby": "weights-title", hidden: true });
  let asked = false;
  return {
    element,
    weights,
    async update(job) {
      if (asked || !hasReport(job)) return;
      asked = true;
      try {
        const found = await get(`/jobs/${id}/report`, { signal });
        replace(content, ...rendered(found, job));
        replace(weights, ...weightTable(found));
        weights.hidden = found.weights.length === 0;
        element.hidden = false;
      } catch (error) {
        // 409 and 404: there is none, since the job ended before it had one.
        if (left(error) || error.status === 409 || error.status === 404) return;
        replace(content, h("p", { class: "fault" }, error.message));
        element.hidden = false;
      }
    },
  };
}

/** Whether training came to an end, good or bad: a job that was broken off has no report. */
function hasReport({ status, reason }) {
  return status === "succeeded" || (status === "failed" && reason?.code === "diverged");
}

function rendered(found, job) {
  return [
    h(
      "p",
      { class: `verdict ${found.verdict}` },
      h("strong", {}, found.verdict),
      " ",
      VERDICTS[found.verdict] ?? "",
    ),
    h(
      "ul",
      { class: "evidence" },
      found.evidence.map(({ message }) => h("li", {}, message)),
    ),
    summary(found),
    suggestions(found, job),
    raises(found),
    h(
      "p",
      { class: "quiet" },
      `Trained with Keras ${found.environment.keras}, TensorFlow ${found.environment.tensorflow} on ${found.environment.devices.join(", ")}.`,
    ),
  ].filter((part) => part !== null);
}

function summary(found) {
  const rows = [
    [
      "Gap",
      found.gap === null
        ? null
        : `${number(found.gap)} (${percent(found.gap_share)} of ${number(found.reference)})`,
    ],
    ["Best epoch", found.best_epoch],
    [
      "Penalty",
      found.penalty_share === null ? null : `${percent(found.penalty_share)} of the loss`,
    ],
    ["A constant prediction's loss", found.baseline === null ? null : number(found.baseline)],
  ].filter(([, value]) => value !== null);
  return h(
    "dl",
    { class: "rest" },
    rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}

function suggestions(found, job) {
  if (found.suggestions.length === 0) return null;
  return [
    h("h3", {}, "What to change"),
    h(
      "ul",
      { class: "suggestions" },
      found.suggestions.map((each) =>
        h(
          "li",
          {},
          h("p", {}, each.message),
          h("p", { class: "source" }, each.source),
          h(
            "a",
            {
              class: "button small",
              href: `/ui/new?job=${job.id}&change=${encodeURIComponent(each.id)}`,
            },
            "Train with this change",
          ),
        ),
      ),
    ),
  ];
}

function raises(found) {
  if (found.raises.length === 0) return null;
  const line = ({ epoch, restored_epoch: restored, what, before, after }) =>
    `After epoch ${epoch}, ${what} was raised from ${number(before)} to ${number(after)}, and training went on from epoch ${restored}.`;
  return [
    h("h3", {}, "Raised on overfitting"),
    h(
      "ul",
      { class: "evidence" },
      found.raises.map((each) => h("li", {}, line(each))),
    ),
  ];
}
