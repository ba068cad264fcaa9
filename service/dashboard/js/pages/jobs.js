/** All jobs: the newest first, a row each. */

import { announce } from "../announce.js";
import { get, left } from "../api.js";
import { h, replace, say } from "../dom.js";
import { plural } from "../format.js";
import { filters } from "../jobs/filters.js";
import { jobRow } from "../jobs/row.js";
import { go, note } from "../navigation.js";
import { repeat } from "../repeat.js";
import { ended } from "../status.js";

const PAGE_SIZE = 25;
const BUSY_S = 2;
const QUIET_S = 10;
const MOST_COMPARED = 20;

export function page({ query, signal }) {
  const view = new JobsView(query, signal);
  return { title: "Jobs", element: view.element };
}

class JobsView {
  constructor(query, signal) {
    this.signal = signal;
    this.query = query;
    this.rows = new Map();
    this.chosen = new Set();
    this.active = true;
    this.next = null;
    this.body = h("tbody", {});
    this.state = h("p", { class: "note", hidden: true });
    this.table = jobsTable(this.body);
    this.compare = h(
      "button",
      { class: "button", type: "button", disabled: true, onclick: () => this.goCompare() },
      "Compare",
    );
    this.newer = h(
      "a",
      { href: this.address({ after: null }), hidden: !query.has("after") },
      "Newest jobs",
    );
    this.older = h("a", { href: "#", rel: "next", hidden: true }, "Older jobs");
    this.element = h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "headline" },
        h("h1", {}, "Jobs"),
        h("a", { class: "button primary", href: "/ui/new" }, "New job"),
      ),
      h(
        "div",
        { class: "toolbar" },
        filters(query, (changed) => this.filter(changed)),
        this.compare,
      ),
      this.state,
      h("div", { class: "scroll" }, this.table),
      h("nav", { class: "pager", "aria-label": "Pages of jobs" }, this.newer, this.older),
    );
    repeat(
      () => this.load(),
      () => (this.active ? BUSY_S : QUIET_S),
      signal,
    );
  }

  async load() {
    const asked = this.query.toString();
    const parameters = new URLSearchParams(this.query);
    parameters.set("limit", PAGE_SIZE);
    try {
      const found = await get(`/jobs?${parameters}`, { signal: this.signal });
      if (asked === this.query.toString()) this.show(found);
    } catch (error) {
      if (!left(error)) this.fail(error);
    }
  }

  show({ items, next }) {
    this.active = items.some((job) => !ended(job.status) && job.status !== "paused");
    const kept = new Map();
    for (const job of items) {
      const row = this.rows.get(job.id) ?? jobRow(this.signal, (on) => this.choose(job.id, on));
      row.update(job);
      kept.set(job.id, row);
    }
    const order = [...kept.values()].map((row) => row.element);
    // Rows that stay where they are are left alone: focus in them would be lost.
    if (
      order.some((row, index) => this.body.children[index] !== row) ||
      order.length !== this.body.children.length
    )
      replace(this.body, order);
    this.rows = kept;
    this.older.hidden = next === null;
    if (next !== null) this.older.href = this.address({ after: next });
    this.table.hidden = items.length === 0;
    this.state.hidden = items.length > 0;
    if (items.length === 0) replace(this.state, this.nothing());
    this.chosen = new Set([...this.chosen].filter((id) => kept.has(id)));
    this.showChoice();
  }

  nothing() {
    if (this.query.size > 0) return "No job fits. Take a filter away, or go to the newest jobs.";
    return [
      ridges(),
      h(
        "span",
        {},
        "No job yet. ",
        h("a", { href: "/ui/new" }, "Start one from a preset"),
        ", or post a spec to /jobs.",
      ),
    ];
  }

  fail(error) {
    this.state.hidden = false;
    say(this.state, error.message);
  }

  filter(changed) {
    this.query = new URLSearchParams(changed);
    note(this.address({}));
    this.newer.hidden = true;
    this.load().then(() => announce(`${plural(this.rows.size, "job")} shown`));
  }

  address(changes) {
    const parameters = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) parameters.delete(name);
      else parameters.set(name, value);
    }
    return parameters.size > 0 ? `/?${parameters}` : "/";
  }

  choose(id, on) {
    if (on) this.chosen.add(id);
    else this.chosen.delete(id);
    this.showChoice();
  }

  showChoice() {
    const amount = this.chosen.size;
    this.compare.disabled = amount < 2 || amount > MOST_COMPARED;
    say(this.compare, amount > 0 ? `Compare ${amount}` : "Compare");
    this.compare.title = amount < 2 ? "Choose two jobs or more" : "";
  }

  goCompare() {
    const inOrder = [...this.rows.keys()].filter((id) => this.chosen.has(id));
    go(`/ui/compare?jobs=${inOrder.join(",")}`);
  }
}

/** The logo's ridges, which the first curves are to take the place of. */
function ridges() {
  const logo = document.querySelector(".logo").cloneNode(true);
  logo.classList.replace("logo", "ridges");
  return logo;
}

function jobsTable(body) {
  const columns = [
    ["choose", h("span", { class: "unseen" }, "Choose to compare")],
    ["name", "Job"],
    ["state", "Status"],
    [
      "curve",
      [
        "Data loss ",
        h(
          "span",
          { class: "key" },
          h("span", { class: "training" }, "training"),
          " ",
          h("span", { class: "validation" }, "validation"),
        ),
      ],
    ],
    ["figure", "Val. loss"],
    ["figure wide", "Gap"],
    ["figure wide", "Accuracy"],
    ["data wide", "Data set"],
    ["when wide", "Created"],
  ];
  const heads = columns.map(([name, label]) => h("th", { class: name, scope: "col" }, label));
  return h(
    "table",
    { class: "jobs", hidden: true },
    h("caption", { class: "unseen" }, "Jobs, the newest first"),
    h("thead", {}, h("tr", {}, heads)),
    body,
  );
}
