/** The report: verdict, evidence, suggestions and weights. */

import { get, isAborted } from "../api.js";
import { h, replace } from "../dom.js";
import { number, percent } from "../format.js";
import { weightTable } from "./weights.js";

const VERDICTS = {
  good: "It learned and generalizes to new rows.",
  overfit: "It memorized the training rows and does worse on new ones.",
  underfit: "It has barely learned the training rows.",
  diverged: "The loss grew or became infinite instead of falling.",
  unclear: "Too little was measured, or the evidence conflicts.",
};

/** The verdict with its evidence as `element`, and the wider table of weights as `weights`. */
export function report(id, signal) {
  const content = h("div", { class: "report" });
  const element = h(
    "section",
    { "aria-labelledby": "report-title", hidden: true },
    h("h2", { id: "report-title" }, "Did the regularization work?"),
    content,
  );
  const weights = h("section", { "aria-labelledby": "weights-title", hidden: true });
  let requested = false;
  return {
    element,
    weights,
    async update(job) {
      if (requested || !hasReport(job)) return;
      requested = true;
      try {
        const loaded = await get(`/jobs/${id}/report`, { signal });
        replace(content, ...rendered(loaded, job));
        replace(weights, ...weightTable(loaded));
        weights.hidden = loaded.weights.length === 0;
        element.hidden = false;
      } catch (error) {
        // 409 and 404: the job ended without a report.
        if (isAborted(error) || error.status === 409 || error.status === 404) return;
        replace(content, h("p", { class: "fault" }, error.message));
        element.hidden = false;
      }
    },
  };
}

/** Whether training completed or diverged: a job that stopped otherwise has no report. */
function hasReport({ status, reason }) {
  return status === "succeeded" || (status === "failed" && reason?.code === "diverged");
}

function rendered(result, job) {
  return [
    h(
      "p",
      { class: `verdict ${result.verdict}` },
      h("strong", {}, `${result.verdict}.`),
      " ",
      VERDICTS[result.verdict] ?? "",
    ),
    h(
      "ul",
      { class: "evidence" },
      result.evidence.map(({ message }) => h("li", {}, message)),
    ),
    summary(result),
    suggestions(result, job),
    raises(result),
    h(
      "p",
      { class: "quiet" },
      `Trained with Keras ${result.environment.keras}, TensorFlow ${result.environment.tensorflow} on ${result.environment.devices.join(", ")}.`,
    ),
  ].filter((part) => part !== null);
}

function summary(result) {
  const rows = [
    [
      "Gap",
      result.gap === null
        ? null
        : `${number(result.gap)} (${percent(result.gap_share)} of ${number(result.reference)})`,
    ],
    ["Best epoch", result.best_epoch],
    ["Epoch whose weights were kept", result.kept_epoch ?? null],
    [
      "Penalty",
      result.penalty_share === null ? null : `${percent(result.penalty_share)} of the loss`,
    ],
    [
      "Baseline loss (constant prediction)",
      result.baseline === null ? null : number(result.baseline),
    ],
  ].filter(([, value]) => value !== null);
  return h(
    "dl",
    { class: "rest" },
    rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}

function suggestions({ suggestions: suggested }, job) {
  if (suggested.length === 0) return null;
  return [
    h("h3", {}, "Suggested changes"),
    h(
      "ul",
      { class: "suggestions" },
      suggested.map((suggestion) =>
        h(
          "li",
          {},
          h("p", {}, suggestion.message),
          h("p", { class: "source" }, suggestion.source),
          h(
            "a",
            {
              class: "button small",
              href: `/ui/new?job=${job.id}&change=${encodeURIComponent(suggestion.id)}`,
            },
            "Train with this change",
          ),
        ),
      ),
    ),
  ];
}

function raises({ raises: raised }) {
  if (raised.length === 0) return null;
  const line = ({ epoch, restored_epoch: restored, what, before, after }) =>
    `After epoch ${epoch}, ${what} was raised from ${number(before)} to ${number(after)}, and training resumed from epoch ${restored}.`;
  return [
    h("h3", {}, "Raised during training"),
    h(
      "ul",
      { class: "evidence" },
      raised.map((raise) => h("li", {}, line(raise))),
    ),
  ];
}
