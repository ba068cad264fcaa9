/** The spec as editable text with its faulty lines marked. */

import { h, replace } from "../dom.js";
import { lineOf, parse, pretty, rangeOf, rangesOf } from "./json-text.js";

/** A text area for JSON; `onInput(text, parsed)` is called after each change by the user. */
export function editor({ onInput }) {
  const area = h("textarea", {
    id: "spec-text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-describedby": "spec-hint",
    wrap: "off",
    rows: 28,
    oninput: onTyped,
    onscroll: syncScroll,
    onkeydown: onKey,
  });
  const gutter = h("pre", { class: "gutter", "aria-hidden": "true" });
  const element = h(
    "div",
    { class: "editor" },
    h("label", { for: "spec-text", class: "editor-label" }, "Spec (JSON)"),
    h("div", { class: "editor-box" }, gutter, area),
    h(
      "small",
      { id: "spec-hint", class: "hint" },
      "Edit or paste a spec. Ctrl+Enter submits it. To leave the editor, press Escape, then Tab.",
    ),
  );
  let marked = new Set();
  let shownGutter = "";
  let escaped = false;

  function onTyped() {
    marked = new Set();
    updateGutter();
    onInput(area.value, parse(area.value));
  }

  function syncScroll() {
    gutter.scrollTop = area.scrollTop;
  }

  /** Tab indents, except after Escape: keyboard users must be able to leave. */
  function onKey(event) {
    if (event.key === "Escape") escaped = true;
    else if (event.key === "Tab" && !event.shiftKey && !escaped) {
      event.preventDefault();
      // Deprecated, but the only way to insert text that undo covers.
      document.execCommand("insertText", false, "  ");
    } else if (event.key !== "Shift") escaped = false;
  }

  /** Number the lines. Unmarked lines share a text node: one element per line would take seconds. */
  function updateGutter() {
    const lines = area.value.split("\n").length;
    const wanted = [lines, ...marked].join();
    if (wanted !== shownGutter) {
      shownGutter = wanted;
      replace(
        gutter,
        gutterOf(
          lines,
          [...marked].sort((one, other) => one - other),
        ),
      );
    }
    syncScroll();
  }

  return {
    element,
    text: () => area.value,
    setSpec(spec) {
      area.value = pretty(spec);
      updateGutter();
    },
    mark(faults) {
      const text = area.value;
      const ranges = faults.length > 0 ? rangesOf(text) : null;
      marked = new Set(faults.map((fault) => lineOf(text, rangeIn(text, fault, ranges)[0]).line));
      updateGutter();
    },
    select(fault) {
      const [from, to] = rangeIn(area.value, fault);
      area.focus();
      area.setSelectionRange(from, to);
      const { line } = lineOf(area.value, from);
      const height = area.scrollHeight / area.value.split("\n").length;
      area.scrollTop = Math.max(0, (line - 4) * height);
    },
  };
}

function gutterOf(lines, marked) {
  const children = [];
  let next = 1;
  for (const line of marked) {
    children.push(lineNumbers(next, line - 1), h("span", { class: "marked" }, `${line}\n`));
    next = line + 1;
  }
  return [...children, lineNumbers(next, lines)];
}

function lineNumbers(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}\n`).join("");
}

/** The range of a fault; a JSON syntax error has a position instead of a pointer. */
function rangeIn(text, { pointer, position }, ranges) {
  return position === undefined ? rangeOf(text, pointer, ranges) : [position, position];
}
