/** A row of the jobs table. */

import { h, replace, setText } from "../dom.js";
import { ago, datasetName, localTime, number } from "../format.js";
import { progressBar, progressText } from "../progress.js";
import { sparkline } from "../sparkline.js";
import { hasEnded, statusBadge } from "../status.js";

const ACCURACY = /^val_(\w*accuracy|auc|r2_score|f1_score|mean_absolute_error)$/;

/** A row; `update(job)` shows the job's current state. */
export function jobRow(signal, onSelect) {
  const box = h("input", { type: "checkbox", onchange: () => onSelect(box.checked) });
  const link = h("a", { class: "job-name" });
  const tags = h("span", { class: "tags" });
  const status = h("td", { class: "state" });
  const curve = sparkline(signal);
  const [loss, gap, accuracy] = ["figure", "figure wide", "figure wide"].map((name) =>
    h("td", { class: name }),
  );
  const data = h("td", { class: "data wide" });
  const created = h("time", {});
  const element = h(
    "tr",
    {},
    h("td", { class: "select" }, h("label", {}, box)),
    h("th", { class: "name", scope: "row" }, link, tags),
    status,
    h("td", { class: "curve" }, curve.element),
    loss,
    gap,
    accuracy,
    data,
    h("td", { class: "when wide" }, created),
  );
  let shownState = "";

  function update(job) {
    setText(created, ago(job.created_at));
    const state = JSON.stringify([job.status, job.progress, job.metrics]);
    if (state === shownState) return;
    shownState = state;
    const name = job.name ?? `Job ${job.id.slice(4, 12)}`;
    link.href = `/ui/jobs/${job.id}`;
    setText(link, name);
    box.setAttribute("aria-label", `Compare ${name}`);
    replace(
      tags,
      job.tags.map((tag) => h("span", { class: "tag" }, tag)),
    );
    replace(
      status,
      statusBadge(job.status),
      hasEnded(job.status) ? null : [progressBar(job), h("small", {}, progressText(job))],
    );
    curve.update(job);
    setText(loss, number(job.metrics.val_data_loss ?? job.metrics.data_loss));
    setText(gap, number(job.metrics.gap));
    setText(
      accuracy,
      number(job.metrics[Object.keys(job.metrics).find((key) => ACCURACY.test(key))]),
    );
    setText(data, datasetName(job.resolved.dataset));
    created.dateTime = job.created_at;
    created.title = localTime(job.created_at);
  }

  return { element, update };
}
