/** In the page's head: whether anybody takes jobs. */

import { get } from "./api.js";
import { say } from "./dom.js";
import { plural } from "./format.js";
import { repeat } from "./repeat.js";

const EVERY_S = 10;

/** Keep the line on the workers up to date. */
export function watchWorkers(element) {
  const never = new AbortController().signal;
  repeat(
    async () => {
      try {
        const { text, state } = summary(await get("/workers"));
        say(element, text);
        element.dataset.state = state;
      } catch {
        say(element, "The service does not answer");
        element.dataset.state = "none";
      }
    },
    () => EVERY_S,
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
    ? { text: "A worker is starting", state: "starting" }
    : { text: "No worker takes jobs", state: "none" };
}
