/** Compares jobs: overlaid curves, measurements, and differences between their specs. */

import { get, isAborted } from "../api.js";
import { chart } from "../charts/chart.js";
import { saveLine } from "../charts/save.js";
import { theme } from "../theme.js";
import { comparisonTables } from "../compare/tables.js";
import { h, replace, setText } from "../dom.js";
import { ago, number } from "../format.js";
import { go } from "../navigation.js";
import { statusBadge } from "../status.js";

const MAX_JOBS = 20;
const MAX_LISTED = 50;
const MAX_POINTS = 300;

export function page({ query, signal }) {
  const selected = (query.get("jobs") ?? "").split(",").filter(Boolean).slice(0, MAX_JOBS);
  const content = h("div", { class: "page" });
  const state = h("p", { class: "note", hidden: true });
  const picker = h(
    "details",
    { class: "picker", open: selected.length < 2 },
    h("summary", {}, "Select jobs"),
  );
  const element = h("div", { class: "page" }, h("h1", {}, "Compare jobs"), picker, state, content);
  fillPicker(picker, selected, signal);
  if (selected.length >= 2) show(content, state, selected, signal);
  return { title: "Compare", element };
}

async function show(content, state, selected, signal) {
  const ids = selected.map(encodeURIComponent).join(",");
  try {
    const comparison = await get(`/compare?jobs=${ids}&max_points=2`, { signal });
    const curves = overlay(ids, comparison.jobs, signal);
    replace(content, curves.element, comparisonTables(comparison));
    curves.draw();
  } catch (error) {
    if (isAborted(error)) return;
    setText(state, error.message);
    state.hidden = false;
  }
}

/** The overlaid curves of the loss or a selected metric. */
function overlay(ids, jobs, signal) {
  const measures = ["loss", ...metricsOf(jobs)];
  const select = h(
    "select",
    { id: "measure", onchange: () => drawn.refresh() },
    measures.map((name) => h("option", { value: name }, name)),
  );
  const path = () => `/compare?jobs=${ids}&measure=${select.value}`;
  const drawn = chart({
    address: (parameters) => `${path()}&${parameters}&max_points=${MAX_POINTS}`,
    height: 420,
    label: "Curves of the compared jobs",
    signal,
  });
  const files = saveLine([
    ["SVG", "comparison.svg", () => `${path()}&theme=${theme()}`, "image/svg+xml"],
    ["PNG", "comparison.png", () => `${path()}&scale=2&theme=${theme()}`, "image/png"],
  ]);
  const field = h("p", { class: "inline" }, h("label", { for: "measure" }, "Metric"), select);
  const element = h(
    "section",
    { "aria-label": "Curves" },
    field,
    h("figure", {}, drawn.element, files),
  );
  return { element, draw: drawn.refresh };
}

/** The metrics that at least one job measured on validation rows. */
function metricsOf(jobs) {
  const names = jobs
    .flatMap(({ metrics }) => Object.keys(metrics))
    .filter((name) => /^val_(?!(data_)?loss$|penalty$)/.test(name));
  return [...new Set(names)].map((name) => name.replace("val_", ""));
}

async function fillPicker(picker, selected, signal) {
  const submit = h("button", { class: "button primary", type: "submit" }, "Compare");
  const list = h("ul", { class: "picks" });
  const form = h(
    "form",
    {
      onsubmit(event) {
        event.preventDefault();
        const picked = [...form.querySelectorAll("input:checked")].map((box) => box.value);
        go(`/ui/compare?jobs=${picked.join(",")}`);
      },
      onchange: showCount,
    },
    h("fieldset", {}, h("legend", {}, `Select 2 to ${MAX_JOBS} jobs`), list),
    submit,
  );

  function showCount() {
    const picked = form.querySelectorAll("input:checked").length;
    submit.disabled = picked < 2 || picked > MAX_JOBS;
    setText(submit, picked > 0 ? `Compare ${picked}` : "Compare");
  }

  picker.append(form);
  try {
    const { items } = await get(`/jobs?limit=${MAX_LISTED}`, { signal });
    const known = new Set(items.map(({ id }) => id));
    const others = await Promise.all(
      selected
        .filter((id) => !known.has(id))
        .map((id) => get(`/jobs/${encodeURIComponent(id)}`, { signal }).catch(() => null)),
    );
    const all = [...others.filter(Boolean), ...items];
    replace(
      list,
      all.map((job) => pick(job, selected.includes(job.id))),
    );
    if (all.length === 0) replace(list, h("li", { class: "quiet" }, "No jobs yet."));
    showCount();
  } catch (error) {
    if (!isAborted(error)) replace(list, h("li", { class: "fault" }, error.message));
  }
}

function pick(job, checked) {
  const loss = job.metrics.val_data_loss ?? job.metrics.data_loss;
  return h(
    "li",
    {},
    h(
      "label",
      {},
      h("input", { type: "checkbox", value: job.id, checked }),
      h("span", { class: "pick-name" }, job.name ?? job.id.slice(0, 12)),
      statusBadge(job.status),
      h(
        "span",
        { class: "quiet" },
        loss === undefined || loss === null ? "" : `${number(loss)}, `,
        ago(job.created_at),
      ),
    ),
  );
}
