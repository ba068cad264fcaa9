/** Uploads a file in parts; an interrupted upload resumes, even after a reload. */

import { ApiError, get, isAborted, post, remove } from "../api.js";

const MAX_TRIES = 8;
const FIRST_RETRY_MS = 500;

/**
 * Upload a file; `onProgress(sent)` receives the bytes sent, `onWait(text)` the reason for a retry.
 * Returns the stored data set. After an abort, calling `upload` again resumes.
 */
export async function upload(file, { onProgress, onWait, signal }) {
  const started = await begin(file, signal);
  const size = (part) => Math.min(started.part_bytes, file.size - (part - 1) * started.part_bytes);
  const received = new Set(started.received);
  let sent = [...received].reduce((sum, part) => sum + size(part), 0);
  onProgress(sent);
  for (let part = 1; part <= started.parts; part += 1) {
    if (received.has(part)) continue;
    const start = (part - 1) * started.part_bytes;
    const piece = file.slice(start, start + size(part));
    await withRetries(
      () =>
        put(
          `/uploads/${started.id}/parts/${part}`,
          piece,
          (partial) => onProgress(sent + partial),
          signal,
        ),
      onWait,
      signal,
    );
    sent += size(part);
    onProgress(sent);
  }
  try {
    const stored = await withRetries(
      () => post(`/uploads/${started.id}/complete`, undefined, { signal }),
      onWait,
      signal,
    );
    forgetId(file);
    return stored;
  } catch (error) {
    // The service discards a file that it rejects.
    if (isPermanent(error)) forgetId(file);
    throw error;
  }
}

/** Discard the parts sent so far. */
export async function discard(file) {
  const id = storedId(file);
  forgetId(file);
  if (id) await remove(`/uploads/${id}`).catch(() => {});
}

/** Whether an upload of this file was started earlier. */
export function isStarted(file) {
  return storedId(file) !== null;
}

async function begin(file, signal) {
  const id = storedId(file);
  if (id) {
    try {
      return await get(`/uploads/${id}`, { signal });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      forgetId(file);
    }
  }
  const started = await post("/uploads", { name: file.name, bytes: file.size }, { signal });
  storeId(file, started.id);
  return started;
}

/** Retry transport failures; throw when the service rejects the request. */
async function withRetries(send, onWait, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      const result = await send();
      onWait("");
      return result;
    } catch (error) {
      if (isAborted(error) || isPermanent(error) || tries === MAX_TRIES) throw error;
      onWait(`${error.message} Retrying…`);
      await pause(FIRST_RETRY_MS * 2 ** (tries - 1), signal);
    }
  }
}

/** Whether the service would reject the same request again. */
function isPermanent(error) {
  return (
    error instanceof ApiError &&
    error.status >= 400 &&
    error.status < 500 &&
    error.status !== 408 &&
    error.status !== 429
  );
}

/** Uses XMLHttpRequest, since fetch does not report upload progress. */
async function put(path, piece, onProgress, signal) {
  const digest = await contentDigest(piece);
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("PUT", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (digest) request.setRequestHeader("Content-Digest", digest);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () =>
      request.status < 300 ? resolve() : reject(new ApiError(request.status, problemOf(request)));
    request.onerror = () => reject(new ApiError(0, { detail: "The connection was lost." }));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    request.send(piece);
  });
}

/** Content-Digest (RFC 9530); null unless the page came over HTTPS or loopback. */
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

function storedId(file) {
  return withStorage((storage) => storage.getItem(keyOf(file)));
}

function storeId(file, id) {
  withStorage((storage) => storage.setItem(keyOf(file), id));
}

function forgetId(file) {
  withStorage((storage) => storage.removeItem(keyOf(file)));
}

/** Access localStorage; if it is forbidden, an upload cannot resume after a reload. */
function withStorage(use) {
  try {
    return use(localStorage) ?? null;
  } catch {
    return null;
  }
}
