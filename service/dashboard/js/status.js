/** A job's status as a shape, a color and a word, so that no single one is essential. */

import { h, s } from "./dom.js";

const SHAPES = {
  queued: ["M6 1.75 A4.25 4.25 0 1 1 5.99 1.75 Z", "line"],
  running: ["M3 1.5 L10.5 6 L3 10.5 Z", "fill"],
  cancelling: ["M2 2 L10 10 M10 2 L2 10", "line"],
  pausing: ["M4 2 V10 M8 2 V10", "line"],
  paused: ["M4 2 V10 M8 2 V10", "line"],
  succeeded: ["M1.5 6.5 L4.75 9.75 L10.5 2.5", "line"],
  failed: ["M2 2 L10 10 M10 2 L2 10", "line"],
  cancelled: ["M1.5 6 H10.5", "line"],
};
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export const STATUSES = Object.keys(SHAPES);

/** Whether a job's status is final. */
export function hasEnded(status) {
  return ENDED.has(status);
}

/** Whether a worker is running the job. */
export function isOnWorker(status) {
  return status === "running" || status === "pausing" || status === "cancelling";
}

/** The status as a badge. */
export function statusBadge(status) {
  return h("span", { class: `status ${status}` }, glyph(status), status);
}

function glyph(status) {
  const [path, kind] = SHAPES[status] ?? SHAPES.queued;
  return s(
    "svg",
    { viewBox: "0 0 12 12", class: `glyph ${kind}`, "aria-hidden": "true" },
    s("path", { d: path }),
  );
}
