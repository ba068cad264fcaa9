/** Sends a file in parts, and goes on where it was broken off, in this page or in a later one. */

import { ApiError, get, left, post, remove } from "../api.js";

const TRIES = 8;
const FIRST_WAIT_MS = 500;

/**
 * Upload a file; `onProgress(sent)` gets the bytes that have arrived, `onWait(text)` why it waits.
 * Returns the stored data set. Aborting the signal keeps what was sent, for `upload` to go on with.
 */
export async function upload(file, { onProgress, onWait, signal }) {
  const started = await begin(file, signal);
  const size = (part) => Math.min(started.part_bytes, file.size - (part - 1) * started.part_bytes);
  const received = new Set(started.received);
  let sent = [...received].reduce((sum, part) => sum + size(part), 0);
  onProgress(sent);
  for (let part = 1; part <= started.parts; part += 1) {
    if (received.has(part)) continue;
    const from = (part - 1) * started.part_bytes;
    const piece = file.slice(from, from + size(part));
    await persistently(
      () =>
        put(`/uploads/${started.id}/parts/${part}`, piece, (now) => onProgress(sent + now), signal),
      onWait,
      signal,
    );
    sent += size(part);
    onProgress(sent);
  }
  try {
    const stored = await persistently(
      () => post(`/uploads/${started.id}/complete`, undefined, { signal }),
      onWait,
      signal,
    );
    forget(file);
    return stored;
  } catch (error) {
    // What is no data set is not kept by the service either.
    if (isLasting(error)) forget(file);
    throw error;
  }
}

/** Give up what was sent of a file. */
export async function discard(file) {
  const id = remembered(file);
  forget(file);
  if (id) await remove(`/uploads/${id}`).catch(() => {});
}

/** Whether a part of this file is with the service already. */
export function isBegun(file) {
  return remembered(file) !== null;
}

async function begin(file, signal) {
  const id = remembered(file);
  if (id) {
    try {
      return await get(`/uploads/${id}`, { signal });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      forget(file);
    }
  }
  const started = await post("/uploads", { name: file.name, bytes: file.size }, { signal });
  remember(file, started.id);
  return started;
}

/** Try again what failed on its way; what the service refuses is refused for good. */
async function persistently(send, onWait, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await send();
      onWait("");
      return answer;
    } catch (error) {
      if (left(error) || isLasting(error) || attempt === TRIES) throw error;
      onWait(`${error.message} Trying again…`);
      await pause(FIRST_WAIT_MS * 2 ** (attempt - 1), signal);
    }
  }
}

/** Whether the same request would be refused again. */
function isLasting(error) {
  return (
    error instanceof ApiError &&
    error.status >= 400 &&
    error.status < 500 &&
    error.status !== 408 &&
    error.status !== 429
  );
}

/** XMLHttpRequest, since fetch tells nothing of how much has been sent. */
async function put(path, piece, onProgress, signal) {
  const digest = await contentDigest(piece);
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open("PUT", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (digest) request.setRequestHeader("Content-Digest", digest);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () =>
      request.status < 300 ? resolve() : reject(new ApiError(request.status, problemOf(request)));
    request.onerror = () => reject(new ApiError(0, { detail: "The connection broke off." }));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop);
    request.send(piece);
  });
}

/** RFC 9530; a page that did not come over HTTPS or loopback has no means to compute it. */
async function contentDigest(piece) {
  if (!globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await piece.arrayBuffer()));
  return `sha-256=:${btoa(String.fromCharCode(...hash))}:`;
}

function problemOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return {};
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}

const keyOf = (file) => `ridgeline.upload ${file.name} ${file.size} ${file.lastModified}`;

function remembered(file) {
  return stored((storage) => storage.getItem(keyOf(file)));
}

function remember(file, id) {
  stored((storage) => storage.setItem(keyOf(file), id));
}

function forget(file) {
  stored((storage) => storage.removeItem(keyOf(file)));
}

/** Storage may be forbidden: then an upload goes on within this page alone. */
function stored(use) {
  try {
    return use(localStorage) ?? null;
  } catch {
    return null;
  }
}
