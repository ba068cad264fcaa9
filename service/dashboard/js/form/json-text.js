/** Formats JSON as a person writes it, and locates JSON pointers in such a text. */

const WIDTH = 72;
/** Maximum nesting: the service rejects deeper specs, and the stack is finite. */
const MAX_DEPTH = 200;

/** A value as JSON, with short values on one line. */
export function pretty(value, indent = "") {
  const short = oneLine(value);
  if (indent.length + short.length <= WIDTH && (indent !== "" || !isObject(value))) return short;
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((item) => inner + pretty(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (isObject(value) && Object.keys(value).length > 0) {
    const members = Object.entries(value).map(
      ([name, member]) => `${inner}${JSON.stringify(name)}: ${pretty(member, inner)}`,
    );
    return `{\n${members.join(",\n")}\n${indent}}`;
  }
  return short;
}

/** The range `[from, to]` of an RFC 6901 pointer's value, or of its nearest existing ancestor. */
export function rangeOf(text, pointer, ranges = rangesOf(text)) {
  let nearest = pointer;
  while (nearest !== "" && !ranges.has(nearest))
    nearest = nearest.slice(0, nearest.lastIndexOf("/"));
  return ranges.get(nearest) ?? [0, text.length];
}

/** Line and column, both starting at 1, of a position in a text. */
export function lineOf(text, position) {
  const before = text.slice(0, position).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/** Parse JSON; an error carries its position, the end of the text if the parser names none. */
export function parse(text) {
  try {
    return { value: JSON.parse(text), error: null };
  } catch (error) {
    return {
      value: null,
      error: { message: readable(error.message), ...positionOf(text, error.message) },
    };
  }
}

/** The unescaped tokens of a pointer. */
export function tokensOf(pointer) {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function oneLine(value) {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}: ${oneLine(member)}`,
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

function positionOf(text, message) {
  const match = /position (\d+)/.exec(message);
  const position = match ? Number(match[1]) : text.length;
  return { position, ...lineOf(text, position) };
}

/** The range of every value by its pointer, up to the first syntax error. */
export function rangesOf(text) {
  const ranges = new Map();
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
    const following = next();
    token.lastIndex = from;
    return following?.text ?? null;
  }

  let depth = 0;

  function value(pointer) {
    const first = depth < MAX_DEPTH ? next() : null;
    if (first === null) {
      token.lastIndex = text.length;
      return;
    }
    depth += 1;
    if (first.text === "{") members(pointer);
    else if (first.text === "[") items(pointer);
    ranges.set(pointer, [first.from, token.lastIndex]);
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
  return ranges;
}

function escaped(quoted) {
  try {
    return JSON.parse(quoted).replaceAll("~", "~0").replaceAll("/", "~1");
  } catch {
    return quoted;
  }
}
