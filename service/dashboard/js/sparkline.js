/** A job's losses as a small chart: training, validation, and the gap between them. */

import { get, isAborted } from "./api.js";
import { replace, s } from "./dom.js";
import { number, plural } from "./format.js";
import { hasEnded } from "./status.js";

const WIDTH = 132;
const HEIGHT = 30;
const MARGIN = 2;
const MAX_POINTS = 60;
const LOG_SCALE_SPAN = 1000;
const MAX_CONCURRENT = 3;
const TRAINING = ["train_data_loss", "data_loss", "loss"];
const VALIDATION = ["val_data_loss", "val_loss"];

const waiting = [];
let active = 0;

/** An element that draws a job's losses once it is visible; `update(job)` redraws them. */
export function sparkline(signal) {
  const element = s("svg", {
    class: "sparkline",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": "No epochs yet",
  });
  let job = null;
  let drawnState = null;
  let visible = false;

  const draw = () => {
    if (!visible || job === null || job.progress.epoch === 0) return;
    const state = `${job.id} ${job.progress.epoch} ${hasEnded(job.status)}`;
    if (state === drawnState) return;
    drawnState = state;
    const { id } = job;
    limited(() => get(`/jobs/${id}/curves?max_points=${MAX_POINTS}`, { signal }))
      .then((curves) => paint(element, curves))
      .catch((error) => {
        if (!isAborted(error)) drawnState = null;
      });
  };
  const observer = new IntersectionObserver((entries) => {
    visible = entries.some((entry) => entry.isIntersecting);
    draw();
  });
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect());
  return {
    element,
    update(next) {
      job = next;
      draw();
    },
  };
}

function paint(element, curves) {
  const training = column(curves, TRAINING);
  const validation = column(curves, VALIDATION);
  const values = [...training, ...validation].filter(Number.isFinite);
  if (values.length === 0) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const first = curves.epoch[0];
  const last = curves.epoch.at(-1);
  const x = (epoch) => MARGIN + ((epoch - first) / (last - first || 1)) * (WIDTH - 2 * MARGIN);
  const height = scale(low, high);
  const y = (value) => HEIGHT - MARGIN - height(value) * (HEIGHT - 2 * MARGIN);
  const points = (series) =>
    curves.epoch
      .map((epoch, index) => [x(epoch), series[index]])
      .filter(([, value]) => Number.isFinite(value))
      .map(([left, value]) => [left, y(value)]);
  const [trainingPoints, validationPoints] = [points(training), points(validation)];
  const validated = validationPoints.length > 0;
  element.setAttribute("aria-label", description(curves, training, validation));
  replace(
    element,
    validated && trainingPoints.length > 0
      ? s("path", {
          class: "gap",
          d: `${line(validationPoints)} ${backwards(trainingPoints)} Z`,
        })
      : null,
    s("path", { class: "training", d: line(trainingPoints) }),
    s("path", { class: "validation", d: line(validationPoints) }),
    endpoint(validated ? validationPoints : trainingPoints, validated ? "validation" : "training"),
  );
}

/** Map a loss to [0, 1]: logarithmic for positive losses, or the first epochs would dwarf the rest. */
function scale(low, high) {
  if (low < 0 || high <= 0) return (value) => (value - low) / (high - low || 1);
  const floor = Math.max(low, high / LOG_SCALE_SPAN);
  return (value) => Math.log(Math.max(value, floor) / floor) / (Math.log(high / floor) || 1);
}

function endpoint(points, kind) {
  const last = points.at(-1);
  return last ? s("circle", { class: `end ${kind}`, cx: last[0], cy: last[1], r: 1.8 }) : null;
}

function line(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(" ");
}

function backwards(points) {
  return [...points]
    .reverse()
    .map(([x, y]) => `L${x.toFixed(1)} ${y.toFixed(1)}`)
    .join(" ");
}

function column(curves, names) {
  return curves.series[names.find((name) => curves.series[name])] ?? [];
}

function description(curves, training, validation) {
  const epochs = plural(curves.epoch.at(-1), "epoch");
  const [name, series] = validation.length ? ["Validation", validation] : ["Training", training];
  return `${name} loss from ${number(series[0])} to ${number(series.at(-1))} in ${epochs}`;
}

/** Limit concurrent requests: a page of jobs loads many curves, and other requests matter more. */
async function limited(load) {
  if (active >= MAX_CONCURRENT) await new Promise((resolve) => waiting.push(resolve));
  active += 1;
  try {
    return await load();
  } finally {
    active -= 1;
    waiting.shift()?.();
  }
}
