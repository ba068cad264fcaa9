/** One job: its curves while it trains, and what came of it. */

import { get, left } from "../api.js";
import { announce } from "../announce.js";
import { h, replace, say } from "../dom.js";
import { jobCharts } from "../job/charts.js";
import { files } from "../job/files.js";
import { facts } from "../job/facts.js";
import { jobHead } from "../job/head.js";
import { jobLog } from "../job/log.js";
import { advice, penalties } from "../job/penalties.js";
import { report } from "../job/report.js";
import { specs } from "../job/spec.js";
import { follow } from "../live.js";
import { ended } from "../status.js";

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
    this.open();
  }

  async open() {
    try {
      const job = await get(`/jobs/${encodeURIComponent(this.id)}`, { signal: this.signal });
      this.build(job);
      this.update(job);
      if (!ended(job.status))
        follow(
          job,
          {
            onJob: (next) => this.update(next),
            onEpoch: () => this.charts.soon(),
            onLink: (state) => this.head.link(state),
            onGone: () => this.gone(),
          },
          this.signal,
        );
    } catch (error) {
      if (left(error)) return;
      this.instead(
        error.status === 404 ? "There is no such job" : "The job could not be read",
        error.message,
      );
    }
  }

  /** Somebody deleted the job that is shown. */
  gone() {
    document.title = "Job · Ridgeline";
    announce("The job was deleted.");
    this.instead("The job was deleted", "Its curves, its report and its files are gone.");
  }

  instead(title, text) {
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
    this.log = jobLog(job.id, this.signal);
    const parts = [facts(), advice(), penalties(), files(), specs()];
    this.parts = [this.head, ...parts, this.report, this.log];
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
        h("div", { class: "rest-column" }, this.report.weights, this.log.element),
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
    if (changed) this.charts.now(job);
    else this.charts.soon(job);
  }
}
