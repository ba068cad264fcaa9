/** How far a job is: a bar, the epochs, and how long it will take still. */

import { h } from "./dom.js";
import { duration } from "./format.js";
import { held } from "./status.js";

/** The progress of a job as an element. */
export function progressBar(job) {
  const { epoch, epochs, fraction } = job.progress;
  return h("progress", {
    class: "bar",
    max: 1,
    value: fraction,
    "aria-label": `Epoch ${epoch} of ${epochs}`,
  });
}

/** The progress of a job in words. */
export function progressText(job) {
  const { epoch, epochs, eta_s: eta } = job.progress;
  const done = `epoch ${epoch} of ${epochs}`;
  return held(job.status) && eta !== null && eta > 0 ? `${done}, ${duration(eta)} left` : done;
}
