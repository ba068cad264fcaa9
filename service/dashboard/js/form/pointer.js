/** Reads and changes a spec by JSON pointers. A change gives a new spec and leaves the old one. */

import { parts } from "./json-text.js";

/** The value at a pointer; undefined if nothing is there. */
export function valueAt(document, pointer) {
  let value = document;
  for (const part of parts(pointer)) {
    if (typeof value !== "object" || value === null) return undefined;
    value = value[part];
  }
  return value;
}

/** The document with another value at a pointer; undefined takes the member away. */
export function withValue(document, pointer, value) {
  return changed(document ?? {}, parts(pointer), value);
}

/** The document after a JSON Patch (RFC 6902) of `add` and `replace`, as advice has them. */
export function patched(document, operations) {
  let result = document;
  for (const { op, path, value } of operations) {
    const way = parts(path);
    const holder = valueAt(result, path.slice(0, path.lastIndexOf("/")));
    if (op === "add" && Array.isArray(holder)) {
      const place = way.at(-1) === "-" ? holder.length : Number(way.at(-1));
      result = changed(result, way.slice(0, -1), holder.toSpliced(place, 0, value));
    } else {
      result = changed(result, way, value);
    }
  }
  return result;
}

function changed(holder, [part, ...rest], value) {
  if (part === undefined) return value;
  if (Array.isArray(holder) && Number(part) in holder) {
    return holder.with(Number(part), changed(holder[Number(part)], rest, value));
  }
  const own = typeof holder === "object" && holder !== null && !Array.isArray(holder) ? holder : {};
  const inner = rest.length > 0 ? changed(own[part] ?? {}, rest, value) : value;
  const result = { ...own };
  if (inner === undefined || (rest.length > 0 && value === undefined && isEmpty(inner)))
    delete result[part];
  else result[part] = inner;
  return result;
}

function isEmpty(value) {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
