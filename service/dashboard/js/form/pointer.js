/** Reads and changes specs by JSON pointer. A change returns a new spec; the old one is untouched. */

import { tokensOf } from "./json-text.js";

/** The value at a pointer; undefined if there is none. */
export function valueAt(document, pointer) {
  let value = document;
  for (const token of tokensOf(pointer)) {
    if (typeof value !== "object" || value === null) return undefined;
    value = value[token];
  }
  return value;
}

/** The document with a new value at a pointer; undefined removes the member. */
export function withValue(document, pointer, value) {
  return changed(document ?? {}, tokensOf(pointer), value);
}

/** The document after a JSON Patch (RFC 6902) of `add` and `replace`, as suggestions use them. */
export function patched(document, operations) {
  let result = document;
  for (const { op, path, value } of operations) {
    const tokens = tokensOf(path);
    const holder = valueAt(result, path.slice(0, path.lastIndexOf("/")));
    if (op === "add" && Array.isArray(holder)) {
      const index = tokens.at(-1) === "-" ? holder.length : Number(tokens.at(-1));
      result = changed(result, tokens.slice(0, -1), holder.toSpliced(index, 0, value));
    } else {
      result = changed(result, tokens, value);
    }
  }
  return result;
}

function changed(holder, [token, ...rest], value) {
  if (token === undefined) return value;
  if (Array.isArray(holder) && Number(token) in holder) {
    return holder.with(Number(token), changed(holder[Number(token)], rest, value));
  }
  const own = typeof holder === "object" && holder !== null && !Array.isArray(holder) ? holder : {};
  const inner = rest.length > 0 ? changed(own[token] ?? {}, rest, value) : value;
  const result = { ...own };
  if (inner === undefined || (rest.length > 0 && value === undefined && isEmpty(inner)))
    delete result[token];
  else result[token] = inner;
  return result;
}

function isEmpty(value) {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
