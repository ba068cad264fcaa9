/** The job's attempts, and how they ended. */

import { get, isAborted } from "../api.js";
import { h, replace } from "../dom.js";
import { count, duration, localTime } from "../format.js";

const HEADERS = [
  ["Attempt", "figure"],
  ["Worker", null],
  ["Started", null],
  ["Duration", "figure"],
  ["Outcome", null],
  ["Epochs", "figure"],
];

/** A section that is hidden until the job has an attempt. */
export function attempts(id, signal) {
  const body = h("tbody", {});
  const fault = h("p", { class: "fault", hidden: true });
  const element = h(
    "section",
    { "aria-labelledby": "attempts-title", hidden: true },
    h("h2", { id: "attempts-title" }, "Attempts"),
    fault,
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "attempts-title" },
      h(
        "table",
        { class: "attempts" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            HEADERS.map(([label, name]) => h("th", { scope: "col", class: name }, label)),
          ),
        ),
        body,
      ),
    ),
  );
  let requestedState = null;
  let request = 0;

  async function load() {
    request += 1;
    const current = request;
    try {
      const { attempts: listed } = await get(`/jobs/${id}/attempts`, { signal });
      // A newer request has the newer state.
      if (current !== request) return;
      replace(body, listed.map(row));
      fault.hidden = true;
      element.hidden = listed.length === 0;
    } catch (error) {
      if (isAborted(error) || current !== request) return;
      // 404: the job was deleted meanwhile.
      if (error.status === 404) return;
      replace(fault, error.message);
      fault.hidden = false;
      element.hidden = false;
    }
  }

  return {
    element,
    update({ status, attempt }) {
      const state = `${status} ${attempt}`;
      if (attempt === 0 || state === requestedState) return;
      requestedState = state;
      load();
    },
  };
}

function row({ number, worker, started_at: start, ended_at: end, epochs, ...ending }) {
  const running = end === null;
  const seconds = running ? null : (Date.parse(end) - Date.parse(start)) / 1000;
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "figure" }, number),
    h("td", {}, worker),
    h("td", {}, h("time", { datetime: start }, localTime(start))),
    h("td", { class: "figure" }, duration(seconds)),
    h("td", { class: "attempt-outcome" }, ...outcome(ending)),
    // The list is not reloaded after every epoch, so a running attempt's count would be outdated.
    h("td", { class: "figure" }, running ? "–" : count(epochs)),
  );
}

/** The outcome with the exit code or signal, and the reason. */
function outcome({ outcome: word, exit_code: exitCode, signal, reason }) {
  const exit = signal ?? (exitCode ? `exit code ${exitCode}` : null);
  const words = word.replaceAll("_", " ");
  return [
    exit === null ? words : `${words}, ${exit}`,
    reason === null ? null : h("small", { class: "attempt-reason" }, reason),
  ];
}
