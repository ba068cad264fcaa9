/** A job's losses at a glance: training, validation, and the gap between them. */

import { get, left } from "./api.js";
import { replace, s } from "./dom.js";
import { number } from "./format.js";
import { ended } from "./status.js";

const WIDTH = 132;
const HEIGHT = 30;
const MARGIN = 2;
const POINTS = 60;
const DECADES = 1000;
const AT_ONCE = 3;
const TRAINING = ["train_data_loss", "data_loss", "loss"];
const VALIDATION = ["val_data_loss", "val_loss"];

const waiting = [];
let asked = 0;

/** An element that draws a job's losses once it is seen; `update(job)` draws them anew. */
export function sparkline(signal) {
  const element = s("svg", {
    class: "sparkline",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": "No epoch yet",
  });
  let job = null;
  let drawn = null;
  let seen = false;

  const draw = () => {
    if (!seen || job === null || job.progress.epoch === 0) return;
    const state = `${job.id} ${job.progress.epoch} ${ended(job.status)}`;
    if (state === drawn) return;
    drawn = state;
    const { id } = job;
    inTurn(() => get(`/jobs/${id}/curves?max_points=${POINTS}`, { signal }))
      .then((curves) => paint(element, curves))
      .catch((error) => {
        if (!left(error)) drawn = null;
      });
  };
  const observer = new IntersectionObserver((entries) => {
    seen = entries.some((entry) => entry.isIntersecting);
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
      .map(([at, value]) => [at, y(value)]);
  const [below, above] = [points(training), points(validation)];
  element.setAttribute("aria-label", described(curves, training, validation));
  replace(
    element,
    above.length && below.length
      ? s("path", { class: "gap", d: `${line(above)} ${back(below)} Z` })
      : null,
    s("path", { class: "training", d: line(below) }),
    s("path", { class: "validation", d: line(above) }),
    end(above.length ? above : below, above.length ? "validation" : "training"),
  );
}

/** From 0 to 1; by orders of magnitude where it can be, or the first epochs would be all one sees. */
function scale(low, high) {
  if (low < 0 || high <= 0) return (value) => (value - low) / (high - low || 1);
  const floor = Math.max(low, high / DECADES);
  return (value) => Math.log(Math.max(value, floor) / floor) / (Math.log(high / floor) || 1);
}

function end(points, kind) {
  const last = points.at(-1);
  return last ? s("circle", { class: `end ${kind}`, cx: last[0], cy: last[1], r: 1.8 }) : null;
}

function line(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(" ");
}

function back(points) {
  return [...points]
    .reverse()
    .map(([x, y]) => `L${x.toFixed(1)} ${y.toFixed(1)}`)
    .join(" ");
}

function column(curves, names) {
  return curves.series[names.find((name) => curves.series[name])] ?? [];
}

function described(curves, training, validation) {
  const epochs = curves.epoch.at(-1);
  const [name, series] = validation.length ? ["Validation", validation] : ["Training", training];
  return `${name} loss from ${number(series[0])} to ${number(series.at(-1))} in ${epochs} epochs`;
}

/** A page of jobs asks for many curves: a few at a time leave room for what matters more. */
async function inTurn(ask) {
  if (asked >= AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  asked += 1;
  try {
    return await ask();
  } finally {
    asked -= 1;
    waiting.shift()?.();
  }
}
