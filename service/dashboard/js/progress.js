/** A job's progress: a bar, the epochs, and the time left. */

import { h } from "./dom.js";
import { duration } from "./format.js";
import { isOnWorker } from "./status.js";

/** A job's progress as a bar. */
export function progressBar(job) {
  const { epoch, epochs, fraction } = job.progress;
  return h("progress", {
    class: "bar",
    max: 1,
    value: fraction,
    "aria-label": `Epoch ${epoch} of ${epochs}`,
  });
}

/** A job's progress as text. */
export function progressText(job) {
  const { epoch, epochs, eta_s: eta } = job.progress;
  const text = `epoch ${epoch} of ${epochs}`;
  return isOnWorker(job.status) && eta !== null && eta > 0
    ? `${text}, ${duration(eta)} left`
    : text;
}
