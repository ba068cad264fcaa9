/** Requests to the API that serves this page. */

/** A problem response (RFC 9457), or status 0 when the service cannot be reached. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The service returned status ${status}.`);
    this.status = status;
    this.code = problem.code ?? null;
    this.faults = problem.errors ?? [];
  }
}

/** GET a path's JSON. */
export async function get(path, { signal, headers } = {}) {
  return (await request("GET", path, { signal, headers })).json();
}

/** POST JSON, passed as a value or as text. */
export async function post(path, body, { signal, headers } = {}) {
  const text =
    typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body);
  const type = text === undefined ? {} : { "Content-Type": "application/json" };
  const response = await request("POST", path, {
    signal,
    body: text,
    headers: { ...type, ...headers },
  });
  return response.status === 204 ? null : response.json();
}

/** DELETE the resource at a path. */
export async function remove(path, { signal } = {}) {
  await request("DELETE", path, { signal });
}

/** Send a request; throws ApiError unless the status is 2xx or 304. */
export async function request(method, path, { signal, headers, body } = {}) {
  let response;
  try {
    response = await fetch(path, { method, signal, headers, body });
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new ApiError(0, { detail: "Cannot reach the service. Is it running?" });
  }
  if (response.ok || response.status === 304) return response;
  throw new ApiError(response.status, await problemOf(response));
}

/** Whether a request was aborted, usually because the user left the page: not a failure. */
export function isAborted(error) {
  return error.name === "AbortError";
}

async function problemOf(response) {
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  try {
    return isJson ? await response.json() : {};
  } catch {
    return {};
  }
}
