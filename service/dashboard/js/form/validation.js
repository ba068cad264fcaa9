/** Validates a spec with the service while it is edited. */

import { ApiError, isAborted, post } from "../api.js";
import { h, replace, setText } from "../dom.js";
import { bytes, count, number, plural } from "../format.js";
import { remark } from "../job/penalties.js";

const DEBOUNCE_MS = 250;

/**
 * Validates `text` shortly after the last call of `check`. `onFaults(faults)` receives the faults,
 * `onSelect(fault)` the one whose place in the spec the user wants to see.
 */
export function validation({ onFaults, onSelect, signal }) {
  const headline = h("p", { class: "validity", role: "status" }, "Checking…");
  const content = h("div", {});
  const element = h(
    "section",
    { class: "outlook", "aria-labelledby": "validation-title" },
    h("h2", { id: "validation-title" }, "Validation"),
    headline,
    content,
  );
  let timer = null;
  let request = new AbortController();

  function check(text, syntax) {
    clearTimeout(timer);
    request.abort();
    if (syntax !== null) {
      showFaults(
        [
          {
            pointer: "",
            position: syntax.position,
            label: `line ${syntax.line}, column ${syntax.column}`,
            detail: syntax.message,
            rule: "json",
          },
        ],
        "Not valid JSON",
      );
      return;
    }
    element.dataset.state = "checking";
    timer = setTimeout(() => validate(text), DEBOUNCE_MS);
  }

  async function validate(text) {
    request = new AbortController();
    const eitherSignal = AbortSignal.any([request.signal, signal]);
    try {
      const outlook = await post("/jobs/validate", text, { signal: eitherSignal });
      showValid(outlook);
    } catch (error) {
      if (isAborted(error)) return;
      const faults = error instanceof ApiError ? error.faults : [];
      if (faults.length > 0) showFaults(faults, `${plural(faults.length, "error")} in the spec`);
      else showFaults([], error.message);
    }
  }

  function showValid({ parameters, memory_bytes: memory, penalties, advice }) {
    element.dataset.state = "valid";
    setText(
      headline,
      `Ready: ${plural(parameters.total, "parameter")}, about ${bytes(memory)} of memory, ${plural(advice.length, "remark")}`,
    );
    replace(
      content,
      advice.length > 0
        ? h(
            "ul",
            { class: "remarks" },
            advice.map((entry) => remark(entry, (pointer) => onSelect({ pointer }))),
          )
        : null,
      penaltyList(penalties),
      parameters.non_trainable > 0
        ? h(
            "p",
            { class: "quiet" },
            `${count(parameters.non_trainable)} of the parameters are not trainable.`,
          )
        : null,
    );
    onFaults([]);
  }

  function showFaults(faults, text) {
    element.dataset.state = "invalid";
    setText(headline, text);
    replace(
      content,
      h(
        "ul",
        { class: "faults" },
        faults.map((fault) => item(fault, onSelect)),
      ),
    );
    onFaults(faults);
  }

  return { element, check };
}

function item(fault, onSelect) {
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "pointer", onclick: () => onSelect(fault) },
      fault.label ?? (fault.pointer || "the whole spec"),
    ),
    " ",
    fault.detail,
  );
}

/** One line for all penalties of equal strength, since most layers share one. */
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
