/** What the service says of a spec while it is typed. */

import { ApiError, left, post } from "../api.js";
import { h, replace, say } from "../dom.js";
import { bytes, count, number, plural } from "../format.js";
import { remark } from "../job/penalties.js";

const PAUSE_MS = 250;

/**
 * Checks `text` a moment after the last call of `check`; `onFaults(faults)` gets what is wrong, and
 * `onFault(fault)` is called where somebody wants to see where in the spec it is.
 */
export function validation({ onFaults, onFault, signal }) {
  const headline = h("p", { class: "validity", role: "status" }, "Checking…");
  const content = h("div", {});
  const element = h(
    "section",
    { class: "outlook", "aria-labelledby": "validation-title" },
    h("h2", { id: "validation-title" }, "What would be trained"),
    headline,
    content,
  );
  let timer = null;
  let asking = new AbortController();
  let valid = false;

  function check(text, syntax) {
    clearTimeout(timer);
    asking.abort();
    valid = false;
    if (syntax !== null) {
      refuse(
        [
          {
            pointer: "",
            place: syntax.place,
            label: `line ${syntax.line}, column ${syntax.column}`,
            detail: syntax.message,
            rule: "json",
          },
        ],
        "This is not JSON yet",
      );
      return;
    }
    element.dataset.state = "checking";
    timer = setTimeout(() => ask(text), PAUSE_MS);
  }

  async function ask(text) {
    asking = new AbortController();
    const both = AbortSignal.any([asking.signal, signal]);
    try {
      const found = await post("/jobs/validate", text, { signal: both });
      valid = true;
      accept(found);
    } catch (error) {
      if (left(error)) return;
      const faults = error instanceof ApiError ? error.faults : [];
      if (faults.length > 0) refuse(faults, `${plural(faults.length, "fault")} in the spec`);
      else refuse([], error.message);
    }
  }

  function accept({ parameters, memory_bytes: memory, penalties, advice }) {
    element.dataset.state = "valid";
    say(
      headline,
      `Ready: ${plural(parameters.total, "parameter")}, about ${bytes(memory)} of memory, ${plural(advice.length, "remark")}`,
    );
    replace(
      content,
      advice.length > 0
        ? h(
            "ul",
            { class: "remarks" },
            advice.map((each) => remark(each, (pointer) => onFault({ pointer }))),
          )
        : null,
      penaltyList(penalties),
      parameters.non_trainable > 0
        ? h(
            "p",
            { class: "quiet" },
            `${count(parameters.non_trainable)} of the parameters are not trained.`,
          )
        : null,
    );
    onFaults([]);
  }

  function refuse(faults, text) {
    element.dataset.state = "invalid";
    say(headline, text);
    replace(
      content,
      h(
        "ul",
        { class: "faults" },
        faults.map((fault) => item(fault, onFault)),
      ),
    );
    onFaults(faults);
  }

  return { element, check, isValid: () => valid };
}

function item(fault, onFault) {
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "pointer", onclick: () => onFault(fault) },
      fault.label ?? (fault.pointer || "the whole spec"),
    ),
    " ",
    fault.detail,
  );
}

/** One line for each strength, since most layers share one. */
function penaltyList(penalties) {
  const groups = Map.groupBy(
    penalties,
    ({ kind, strength, coefficient, formula }) =>
      `${kind} ${number(strength)}: ${formula}, Keras coefficient ${number(coefficient)}`,
  );
  if (groups.size === 0) return h("p", { class: "quiet" }, "No weight penalty.");
  return h(
    "ul",
    { class: "penalty-lines" },
    [...groups].map(([line, terms]) =>
      h("li", {}, line, " ", h("span", { class: "quiet" }, `on ${plural(terms.length, "weight")}`)),
    ),
  );
}
