/** The jobs list, newest first. */

import { announce } from "../announce.js";
import { get, isAborted } from "../api.js";
import { h, replace, setText } from "../dom.js";
import { plural } from "../format.js";
import { filters } from "../jobs/filters.js";
import { jobRow } from "../jobs/row.js";
import { go, replaceAddress } from "../navigation.js";
import { pollWhileVisible } from "../poll.js";
import { hasEnded } from "../status.js";

const PAGE_SIZE = 25;
const ACTIVE_INTERVAL_S = 2;
const IDLE_INTERVAL_S = 10;
const MAX_COMPARED = 20;

export function page({ query, signal }) {
  const view = new JobsView(query, signal);
  return { title: "Jobs", element: view.element };
}

class JobsView {
  constructor(query, signal) {
    this.signal = signal;
    this.query = query;
    this.rows = new Map();
    this.selected = new Set();
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
        filters(query, (parameters) => this.filter(parameters)),
        this.compare,
      ),
      this.state,
      h("div", { class: "scroll" }, this.table),
      h("nav", { class: "pager", "aria-label": "Pages of jobs" }, this.newer, this.older),
    );
    pollWhileVisible(
      () => this.load(),
      () => (this.active ? ACTIVE_INTERVAL_S : IDLE_INTERVAL_S),
      signal,
    );
  }

  async load() {
    const requested = this.query.toString();
    const parameters = new URLSearchParams(this.query);
    parameters.set("limit", PAGE_SIZE);
    try {
      const listed = await get(`/jobs?${parameters}`, { signal: this.signal });
      // A response for a filter that has changed since is outdated.
      if (requested === this.query.toString()) this.show(listed);
    } catch (error) {
      if (!isAborted(error)) this.fail(error);
    }
  }

  show({ items, next }) {
    this.active = items.some((job) => !hasEnded(job.status) && job.status !== "paused");
    const rows = new Map();
    for (const job of items) {
      const row = this.rows.get(job.id) ?? jobRow(this.signal, (on) => this.select(job.id, on));
      row.update(job);
      rows.set(job.id, row);
    }
    const order = [...rows.values()].map((row) => row.element);
    // Leave an unchanged order alone: moving a row would lose the focus in it.
    if (
      order.some((row, index) => this.body.children[index] !== row) ||
      order.length !== this.body.children.length
    )
      replace(this.body, order);
    this.rows = rows;
    this.older.hidden = next === null;
    if (next !== null) this.older.href = this.address({ after: next });
    this.table.hidden = items.length === 0;
    this.state.hidden = items.length > 0;
    if (items.length === 0) replace(this.state, this.emptyMessage());
    this.selected = new Set([...this.selected].filter((id) => rows.has(id)));
    this.showSelection();
  }

  emptyMessage() {
    if (this.query.size > 0) return "No jobs match. Remove a filter, or go to the newest jobs.";
    return [
      ridges(),
      h(
        "span",
        {},
        "No jobs yet. ",
        h("a", { href: "/ui/new" }, "Start one from a preset"),
        ", or POST a spec to /jobs.",
      ),
    ];
  }

  fail(error) {
    this.state.hidden = false;
    setText(this.state, error.message);
  }

  filter(parameters) {
    this.query = new URLSearchParams(parameters);
    replaceAddress(this.address({}));
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

  select(id, on) {
    if (on) this.selected.add(id);
    else this.selected.delete(id);
    this.showSelection();
  }

  showSelection() {
    const amount = this.selected.size;
    this.compare.disabled = amount < 2 || amount > MAX_COMPARED;
    setText(this.compare, amount > 0 ? `Compare ${amount}` : "Compare");
    this.compare.title =
      amount < 2
        ? "Select at least two jobs"
        : amount > MAX_COMPARED
          ? `Select at most ${MAX_COMPARED} jobs`
          : "";
  }

  goCompare() {
    const inOrder = [...this.rows.keys()].filter((id) => this.selected.has(id));
    go(`/ui/compare?jobs=${inOrder.join(",")}`);
  }
}

/** The logo's ridges, shown until there are curves. */
function ridges() {
  const logo = document.querySelector(".logo").cloneNode(true);
  logo.classList.replace("logo", "ridges");
  return logo;
}

function jobsTable(body) {
  const columns = [
    ["select", h("span", { class: "visually-hidden" }, "Select to compare")],
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
  const headers = columns.map(([name, label]) => h("th", { class: name, scope: "col" }, label));
  return h(
    "table",
    { class: "jobs", hidden: true },
    h("caption", { class: "visually-hidden" }, "Jobs, newest first"),
    h("thead", {}, h("tr", {}, headers)),
    body,
  );
}
