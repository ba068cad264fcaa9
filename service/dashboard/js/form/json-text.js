/** JSON as a person writes it, and where in such a text a pointer leads. */

const WIDTH = 72;
/** Deeper nothing is looked for: the service takes no such spec, and the stack has an end. */
const DEEPEST = 200;

/** A value as JSON: what fits on a line stands on one. */
export function pretty(value, indent = "") {
  const short = oneLine(value);
  if (indent.length + short.length <= WIDTH && (indent !== "" || !isObject(value))) return short;
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((each) => inner + pretty(each, inner)).join(",\n")}\n${indent}]`;
  }
  if (isObject(value) && Object.keys(value).length > 0) {
    const members = Object.entries(value).map(
      ([name, each]) => `${inner}${JSON.stringify(name)}: ${pretty(each, inner)}`,
    );
    return `{\n${members.join(",\n")}\n${indent}}`;
  }
  return short;
}

/** What an RFC 6901 pointer leads to in a text: `[from, to]`, of the nearest thing that is there. */
export function rangeOf(text, pointer, ranges = rangesOf(text)) {
  let at = pointer;
  while (at !== "" && !ranges.has(at)) at = at.slice(0, at.lastIndexOf("/"));
  return ranges.get(at) ?? [0, text.length];
}

/** Line and column, from 1 on, of a place in a text. */
export function lineOf(text, place) {
  const before = text.slice(0, place).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/** Parse JSON; an error has the place in the text, where it can be told. */
export function parse(text) {
  try {
    return { value: JSON.parse(text), error: null };
  } catch (error) {
    return {
      value: null,
      error: { message: readable(error.message), ...placeOf(text, error.message) },
    };
  }
}

/** The parts of a pointer. */
export function parts(pointer) {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function oneLine(value) {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, each]) => `${JSON.stringify(name)}: ${oneLine(each)}`,
  );
  return members.length > 0 ? `{${members.join(", ")}}` : "{}";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readable(message) {
  return message
    .replace(/ in JSON at position \d+.*$/, "")
    .replace(/ \(line \d+ column \d+\)$/, "");
}

function placeOf(text, message) {
  const position = /position (\d+)/.exec(message);
  const place = position ? Number(position[1]) : text.length;
  return { place, ...lineOf(text, place) };
}

/** Every value of a JSON text by its pointer, as far as the text is JSON. */
export function rangesOf(text) {
  const found = new Map();
  const token = /\s*(?:("(?:[^"\\]|\\.)*")|([{}[\],:])|([^\s{}[\],:"]+))/y;

  function next() {
    const from = token.lastIndex;
    const match = token.exec(text);
    if (match === null) {
      token.lastIndex = from;
      return null;
    }
    return {
      text: match[1] ?? match[2] ?? match[3],
      from: token.lastIndex - (match[1] ?? match[2] ?? match[3]).length,
      to: token.lastIndex,
    };
  }

  function peek() {
    const from = token.lastIndex;
    const found = next();
    token.lastIndex = from;
    return found?.text ?? null;
  }

  let depth = 0;

  function value(pointer) {
    const first = depth < DEEPEST ? next() : null;
    if (first === null) {
      token.lastIndex = text.length;
      return;
    }
    depth += 1;
    if (first.text === "{") members(pointer);
    else if (first.text === "[") items(pointer);
    found.set(pointer, [first.from, token.lastIndex]);
    depth -= 1;
  }

  function members(pointer) {
    while (peek() !== null && peek() !== "}") {
      const name = next();
      if (next()?.text !== ":") return;
      value(`${pointer}/${escaped(name.text)}`);
      if (peek() === ",") next();
    }
    next();
  }

  function items(pointer) {
    for (let index = 0; peek() !== null && peek() !== "]"; index += 1) {
      const before = token.lastIndex;
      value(`${pointer}/${index}`);
      if (peek() === ",") next();
      if (token.lastIndex === before) return;
    }
    next();
  }

  value("");
  return found;
}

function escaped(quoted) {
  try {
    return JSON.parse(quoted).replaceAll("~", "~0").replaceAll("/", "~1");
  } catch {
    return quoted;
  }
}
