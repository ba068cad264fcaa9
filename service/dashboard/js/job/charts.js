/** The charts of a job, each with its files. */

import { chart } from "../charts/chart.js";
import { saveLine } from "../charts/save.js";
import { theme } from "../colours.js";
import { h } from "../dom.js";

const CHARTS = [
  { name: "losses", label: "Losses, the penalty apart", height: 380 },
  { name: "accuracy", label: "Metrics", height: 240 },
  { name: "penalty", label: "Penalty by layer", height: 240 },
  { name: "learning_rate", label: "Learning rate", height: 200 },
  { name: "weights", label: "Distribution of the weights", height: 300 },
];
const MAX_POINTS = 500;

export function jobCharts(id, signal) {
  const first = figure(id, CHARTS[0], signal);
  const others = CHARTS.slice(1).map((each) => lazy(id, each, signal));
  const waiting = h(
    "p",
    { class: "note", hidden: true },
    "The curves begin when the first epoch has ended.",
  );
  const element = h(
    "section",
    { "aria-labelledby": "curves-title" },
    h("h2", { id: "curves-title" }, "Curves"),
    waiting,
    first.element,
    others.map((each) => each.element),
  );
  const all = [first, ...others];
  let begun = false;

  function show(job) {
    begun ||= job.progress.epoch > 0;
    waiting.hidden = begun;
    first.element.hidden = !begun;
    for (const each of others) each.element.hidden = !begun;
  }

  return {
    element,
    now(job) {
      show(job);
      if (begun) for (const each of all) each.now(job);
    },
    soon(job) {
      if (job) show(job);
      if (begun) for (const each of all) each.soon();
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

/** A chart that is drawn once its part of the page is opened. */
function lazy(id, entry, signal) {
  let drawn = null;
  const open = entry.name === "accuracy" || entry.name === "penalty";
  const element = h(
    "details",
    { class: "more-chart", open, ontoggle: () => element.open && now() },
    h("summary", {}, entry.label),
  );

  function now() {
    if (drawn === null) {
      drawn = figure(id, entry, signal);
      element.append(drawn.element);
    }
    drawn.now();
  }

  return {
    element,
    now: () => element.open && now(),
    soon: () => element.open && (drawn === null ? now() : drawn.soon()),
  };
}

function links(id, name, path) {
  return saveLine([
    ["SVG", `${name}.svg`, () => `${path}?theme=${theme()}`, "image/svg+xml"],
    ["PNG", `${name}.png`, () => `${path}?scale=2&theme=${theme()}`, "image/png"],
    ["CSV", "curves.csv", () => `/jobs/${id}/curves`, "text/csv"],
  ]);
}
