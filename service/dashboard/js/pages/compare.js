/** Jobs side by side: their curves over each other, and what their specs do not share. */

import { get, left } from "../api.js";
import { chart } from "../charts/chart.js";
import { saveLine } from "../charts/save.js";
import { theme } from "../colours.js";
import { comparisonTables } from "../compare/tables.js";
import { h, replace, say } from "../dom.js";
import { ago, number } from "../format.js";
import { go } from "../navigation.js";
import { statusBadge } from "../status.js";

const MOST = 20;
const OFFERED = 50;
const MAX_POINTS = 300;

export function page({ query, signal }) {
  const chosen = (query.get("jobs") ?? "").split(",").filter(Boolean).slice(0, MOST);
  const content = h("div", { class: "page" });
  const state = h("p", { class: "note", hidden: true });
  const picker = h(
    "details",
    { class: "picker", open: chosen.length < 2 },
    h("summary", {}, "Choose jobs"),
  );
  const element = h("div", { class: "page" }, h("h1", {}, "Compare jobs"), picker, state, content);
  offer(picker, chosen, signal);
  if (chosen.length >= 2) show(content, state, chosen, signal);
  return { title: "Compare", element };
}

async function show(content, state, chosen, signal) {
  const jobs = chosen.map(encodeURIComponent).join(",");
  try {
    const found = await get(`/compare?jobs=${jobs}&max_points=2`, { signal });
    const curves = overlay(jobs, found, signal);
    replace(content, curves.element, comparisonTables(found));
    curves.draw();
  } catch (error) {
    if (left(error)) return;
    say(state, error.message);
    state.hidden = false;
  }
}

/** The curves over each other, of the loss or of a metric that is chosen. */
function overlay(jobs, found, signal) {
  const measures = ["loss", ...metricsOf(found.jobs)];
  const select = h(
    "select",
    { id: "measure", onchange: () => drawn.now() },
    measures.map((name) => h("option", { value: name }, name)),
  );
  const path = () => `/compare?jobs=${jobs}&measure=${select.value}`;
  const drawn = chart({
    address: (parameters) => `${path()}&${parameters}&max_points=${MAX_POINTS}`,
    height: 420,
    label: "The jobs' curves over each other",
    signal,
  });
  const files = saveLine([
    ["SVG", "comparison.svg", () => `${path()}&theme=${theme()}`, "image/svg+xml"],
    ["PNG", "comparison.png", () => `${path()}&scale=2&theme=${theme()}`, "image/png"],
  ]);
  const field = h("p", { class: "inline" }, h("label", { for: "measure" }, "Compare the"), select);
  const element = h(
    "section",
    { "aria-label": "Curves" },
    field,
    h("figure", {}, drawn.element, files),
  );
  return { element, draw: drawn.now };
}

/** The metrics that any of the jobs measured on validation rows. */
function metricsOf(jobs) {
  const names = jobs
    .flatMap(({ metrics }) => Object.keys(metrics))
    .filter((name) => /^val_(?!(data_)?loss$|penalty$)/.test(name));
  return [...new Set(names)].map((name) => name.replace("val_", ""));
}

async function offer(picker, chosen, signal) {
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
      onchange: count,
    },
    h("fieldset", {}, h("legend", {}, `Two to ${MOST} jobs`), list),
    submit,
  );

  function count() {
    const picked = form.querySelectorAll("input:checked").length;
    submit.disabled = picked < 2 || picked > MOST;
    say(submit, picked > 0 ? `Compare ${picked}` : "Compare");
  }

  picker.append(form);
  try {
    const { items } = await get(`/jobs?limit=${OFFERED}`, { signal });
    const known = new Set(items.map(({ id }) => id));
    const others = await Promise.all(
      chosen
        .filter((id) => !known.has(id))
        .map((id) => get(`/jobs/${encodeURIComponent(id)}`, { signal }).catch(() => null)),
    );
    const all = [...others.filter(Boolean), ...items];
    replace(
      list,
      all.map((job) => pick(job, chosen.includes(job.id))),
    );
    if (all.length === 0) replace(list, h("li", { class: "quiet" }, "No job yet."));
    count();
  } catch (error) {
    if (!left(error)) replace(list, h("li", { class: "fault" }, error.message));
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
        loss === undefined ? "" : `${number(loss)}, `,
        ago(job.created_at),
      ),
    ),
  );
}
