/** A job: its curves while it trains, its report and its files. */

import { get, isAborted } from "../api.js";
import { announce } from "../announce.js";
import { h, replace } from "../dom.js";
import { attempts } from "../job/attempts.js";
import { jobCharts } from "../job/charts.js";
import { files } from "../job/files.js";
import { facts } from "../job/facts.js";
import { jobHead } from "../job/head.js";
import { jobLog } from "../job/log.js";
import { advice, penalties } from "../job/penalties.js";
import { report } from "../job/report.js";
import { specs } from "../job/spec.js";
import { follow } from "../live.js";
import { hasEnded } from "../status.js";

export function page({ params, signal }) {
  const view = new JobView(params.id, signal);
  return { title: "Job", element: view.element };
}

class JobView {
  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
    this.status = null;
    this.parts = null;
    this.element = h(
      "div",
      { class: "page job" },
      h("h1", {}, "Job"),
      h("p", { class: "note" }, "Loading…"),
    );
    this.load();
  }

  async load() {
    try {
      const job = await get(`/jobs/${encodeURIComponent(this.id)}`, { signal: this.signal });
      this.build(job);
      this.update(job);
      if (!hasEnded(job.status))
        follow(
          job,
          {
            onJob: (next) => this.update(next),
            onEpoch: () => this.charts.refreshSoon(),
            onConnection: (state) => this.head.showConnection(state),
            onDeleted: () => this.showDeleted(),
          },
          this.signal,
        );
    } catch (error) {
      if (isAborted(error)) return;
      this.showMessage(
        error.status === 404 ? "Job not found" : "The job could not be loaded",
        error.message,
      );
    }
  }

  /** The job was deleted elsewhere. */
  showDeleted() {
    document.title = "Job · Ridgeline";
    announce("The job was deleted.");
    this.showMessage("The job was deleted", "Its curves, report and files are gone.");
  }

  showMessage(title, text) {
    replace(
      this.element,
      h("h1", {}, title),
      h("p", {}, text),
      h("p", {}, h("a", { href: "/" }, "All jobs")),
    );
  }

  build(job) {
    this.charts = jobCharts(job.id, this.signal);
    this.head = jobHead((next) => this.update(next));
    this.report = report(job.id, this.signal);
    this.attempts = attempts(job.id, this.signal);
    this.log = jobLog(job.id, this.signal);
    const parts = [facts(), advice(), penalties(), files(), specs()];
    this.parts = [this.head, ...parts, this.report, this.attempts, this.log];
    const [figures, remarks, terms, downloads, text] = parts.map((part) => part.element);
    const focused = this.element.contains(document.activeElement);
    replace(
      this.element,
      this.head.element,
      figures,
      h(
        "div",
        { class: "columns" },
        this.charts.element,
        h("div", { class: "side-column" }, this.report.element, downloads, remarks, terms, text),
        h(
          "div",
          { class: "rest-column" },
          this.report.weights,
          this.attempts.element,
          this.log.element,
        ),
      ),
    );
    if (focused) {
      const heading = this.element.querySelector("h1");
      heading.setAttribute("tabindex", "-1");
      heading.focus({ preventScroll: true });
    }
  }

  update(job) {
    const name = job.name ?? `Job ${job.id.slice(4, 12)}`;
    document.title = `${name}, ${job.status} · Ridgeline`;
    if (this.status !== null && this.status !== job.status) announce(`${name} is ${job.status}.`);
    const changed = this.status !== job.status;
    this.status = job.status;
    for (const part of this.parts) part.update(job);
    if (changed) this.charts.refresh(job);
    else this.charts.refreshSoon(job);
  }
}
