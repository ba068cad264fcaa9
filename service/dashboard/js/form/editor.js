/** The spec as text, with what is wrong marked in it. */

import { h, replace } from "../dom.js";
import { lineOf, parse, pretty, rangeOf, rangesOf } from "./json-text.js";

/** A text area for JSON; `onInput(text, parsed)` is called with each change by the user. */
export function editor({ onInput }) {
  const area = h("textarea", {
    id: "spec-text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    "aria-describedby": "spec-hint",
    wrap: "off",
    rows: 28,
    oninput: typed,
    onscroll: follow,
    onkeydown: tab,
  });
  const gutter = h("pre", { class: "gutter", "aria-hidden": "true" });
  const element = h(
    "div",
    { class: "editor" },
    h("label", { for: "spec-text", class: "editor-label" }, "Spec, as JSON"),
    h("div", { class: "editor-box" }, gutter, area),
    h(
      "small",
      { id: "spec-hint", class: "hint" },
      "Edit it, or paste one. Ctrl+Enter submits; Escape, then Tab, leaves the text.",
    ),
  );
  let marked = new Set();
  let numbered = "";
  let leaving = false;

  function typed() {
    marked = new Set();
    number();
    onInput(area.value, parse(area.value));
  }

  function follow() {
    gutter.scrollTop = area.scrollTop;
  }

  /** Tab indents, unless Escape came before: the keyboard must get out. */
  function tab(event) {
    if (event.key === "Escape") leaving = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaving) {
      event.preventDefault();
      // Deprecated, but nothing else types as a user does, so that it can be undone.
      document.execCommand("insertText", false, "  ");
    } else if (event.key !== "Shift") leaving = false;
  }

  /** Number the lines. What is not marked is one text: an element a line would take seconds. */
  function number() {
    const lines = area.value.split("\n").length;
    const shown = [lines, ...marked].join();
    if (shown !== numbered) {
      numbered = shown;
      replace(gutter, gutterOf(lines, [...marked].sort((one, other) => one - other)));
    }
    follow();
  }

  return {
    element,
    text: () => area.value,
    put(spec) {
      area.value = pretty(spec);
      number();
    },
    putText(text) {
      area.value = text;
      number();
    },
    mark(faults) {
      const text = area.value;
      const ranges = faults.length > 0 ? rangesOf(text) : null;
      marked = new Set(faults.map((fault) => lineOf(text, rangeIn(text, fault, ranges)[0]).line));
      number();
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
    children.push(numbers(next, line - 1), h("span", { class: "marked" }, `${line}\n`));
    next = line + 1;
  }
  return [...children, numbers(next, lines)];
}

function numbers(from, to) {
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");
}

/** What is not JSON has no pointer into it, but a place where it goes wrong. */
function rangeIn(text, { pointer, place }, ranges) {
  return place === undefined ? rangeOf(text, pointer, ranges) : [place, place];
}
