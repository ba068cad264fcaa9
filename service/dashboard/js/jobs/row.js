/** One job as a row of the table. */

import { h, replace, say } from "../dom.js";
import { ago, datasetName, moment, number } from "../format.js";
import { progressBar, progressText } from "../progress.js";
import { sparkline } from "../sparkline.js";
import { ended, statusBadge } from "../status.js";

const ACCURACY = /^val_(\w*accuracy|auc|r2_score|f1_score|mean_absolute_error)$/;

/** A row; `update(job)` shows the job as it is now. */
export function jobRow(signal, onChoose) {
  const box = h("input", { type: "checkbox", onchange: () => onChoose(box.checked) });
  const link = h("a", { class: "job-name" });
  const tags = h("span", { class: "tags" });
  const state = h("td", { class: "state" });
  const curve = sparkline(signal);
  const [loss, gap, accuracy] = ["figure", "figure wide", "figure wide"].map((name) =>
    h("td", { class: name }),
  );
  const data = h("td", { class: "data wide" });
  const time = h("time", {});
  const element = h(
    "tr",
    {},
    h("td", { class: "choose" }, h("label", {}, box)),
    h("th", { class: "name", scope: "row" }, link, tags),
    state,
    h("td", { class: "curve" }, curve.element),
    loss,
    gap,
    accuracy,
    data,
    h("td", { class: "when wide" }, time),
  );
  let shown = "";

  function update(job) {
    say(time, ago(job.created_at));
    const now = JSON.stringify([job.status, job.progress, job.metrics]);
    if (now === shown) return;
    shown = now;
    const name = job.name ?? `Job ${job.id.slice(4, 12)}`;
    link.href = `/ui/jobs/${job.id}`;
    say(link, name);
    box.setAttribute("aria-label", `Compare ${name}`);
    replace(
      tags,
      job.tags.map((tag) => h("span", { class: "tag" }, tag)),
    );
    replace(
      state,
      statusBadge(job.status),
      ended(job.status) ? null : [progressBar(job), h("small", {}, progressText(job))],
    );
    curve.update(job);
    say(loss, number(job.metrics.val_data_loss ?? job.metrics.data_loss));
    say(gap, number(job.metrics.gap));
    say(accuracy, number(job.metrics[Object.keys(job.metrics).find((key) => ACCURACY.test(key))]));
    say(data, datasetName(job.resolved.dataset));
    time.dateTime = job.created_at;
    time.title = moment(job.created_at);
  }

  return { element, update };
}
