/** The charts of a job, with buttons that save them. */

import { chart } from "../charts/chart.js";
import { saveLine } from "../charts/save.js";
import { theme } from "../theme.js";
import { h } from "../dom.js";

const CHARTS = [
  { name: "losses", label: "Losses, with the penalty shown separately", height: 380 },
  { name: "accuracy", label: "Metrics", height: 240 },
  { name: "penalty", label: "Penalty by layer", height: 240 },
  { name: "learning_rate", label: "Learning rate", height: 200 },
  { name: "weights", label: "Weight distribution", height: 300 },
];
const MAX_POINTS = 500;

export function jobCharts(id, signal) {
  const first = figure(id, CHARTS[0], signal);
  const others = CHARTS.slice(1).map((entry) => lazy(id, entry, signal));
  const waiting = h("p", { class: "note", hidden: true }, "Curves appear after the first epoch.");
  const element = h(
    "section",
    { "aria-labelledby": "curves-title" },
    h("h2", { id: "curves-title" }, "Curves"),
    waiting,
    first.element,
    others.map(({ element: chartElement }) => chartElement),
  );
  const all = [first, ...others];
  let started = false;

  function show(job) {
    started ||= job.progress.epoch > 0;
    waiting.hidden = started;
    for (const { element: chartElement } of all) chartElement.hidden = !started;
  }

  return {
    element,
    refresh(job) {
      show(job);
      if (started) for (const drawn of all) drawn.refresh();
    },
    refreshSoon(job) {
      if (job) show(job);
      if (started) for (const drawn of all) drawn.refreshSoon();
    },
  };
}

function figure(id, { name, label, height }, signal) {
  const path = `/jobs/${id}/charts/${name}`;
  const drawn = chart({
    address: (parameters) => `${path}?${parameters}&max_points=${MAX_POINTS}`,
    height,
    label,
    signal,
  });
  const element = h(
    "figure",
    { class: `figure-chart ${name}` },
    drawn.element,
    links(id, name, path),
  );
  return { ...drawn, element };
}

/** A chart in a disclosure, drawn once it is open. */
function lazy(id, entry, signal) {
  let drawn = null;
  const open = entry.name === "accuracy" || entry.name === "penalty";
  const element = h(
    "details",
    { class: "more-chart", open, ontoggle: () => element.open && refresh() },
    h("summary", {}, entry.label),
  );

  function refresh() {
    if (drawn === null) {
      drawn = figure(id, entry, signal);
      element.append(drawn.element);
    }
    drawn.refresh();
  }

  return {
    element,
    refresh: () => element.open && refresh(),
    refreshSoon: () => element.open && (drawn === null ? refresh() : drawn.refreshSoon()),
  };
}

function links(id, name, path) {
  return saveLine([
    ["SVG", `${name}.svg`, () => `${path}?theme=${theme()}`, "image/svg+xml"],
    ["PNG", `${name}.png`, () => `${path}?scale=2&theme=${theme()}`, "image/png"],
    ["CSV", "curves.csv", () => `/jobs/${id}/curves`, "text/csv"],
  ]);
}
