/** The masthead's line on workers and free slots. */

import { get } from "./api.js";
import { setText } from "./dom.js";
import { plural } from "./format.js";
import { pollWhileVisible } from "./poll.js";

const INTERVAL_S = 10;

/** Keep the line up to date. */
export function watchWorkers(element) {
  const never = new AbortController().signal;
  pollWhileVisible(
    async () => {
      try {
        const { text, state } = summary(await get("/workers"));
        setText(element, text);
        element.dataset.state = state;
      } catch {
        setText(element, "Service unreachable");
        element.dataset.state = "none";
      }
    },
    () => INTERVAL_S,
    never,
  );
}

function summary(workers) {
  const ready = workers.filter((worker) => worker.state === "ready");
  const slots = ready.reduce((sum, worker) => sum + worker.slots.length, 0);
  const busy = ready.reduce((sum, worker) => sum + worker.jobs.length, 0);
  if (ready.length > 0) {
    const free = Math.max(0, slots - busy);
    return {
      text: `${plural(ready.length, "worker")}, ${free} of ${plural(slots, "slot")} free`,
      state: "ready",
    };
  }
  const starting = workers.some((worker) => worker.state === "starting");
  return starting
    ? { text: "Worker starting", state: "starting" }
    : { text: "No worker running", state: "none" };
}
