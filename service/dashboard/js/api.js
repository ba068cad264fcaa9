/** Requests to the API this page came from. */

/** An answer that is a problem (RFC 9457), or a service that did not answer. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The service answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? null;
    this.faults = problem.errors ?? [];
  }
}

/** GET a path's JSON. */
export async function get(path, { signal, headers } = {}) {
  return (await request("GET", path, { signal, headers })).json();
}

/** GET a path's text in the representation named. */
export async function getText(path, accept, { signal } = {}) {
  return (await request("GET", path, { signal, headers: { Accept: accept } })).text();
}

/** POST JSON, given as a value or as text. */
export async function post(path, body, { signal, headers } = {}) {
  const text =
    typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body);
  const type = text === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await request("POST", path, {
    signal,
    body: text,
    headers: { ...type, ...headers },
  });
  return answer.status === 204 ? null : answer.json();
}

/** DELETE what is at a path. */
export async function remove(path, { signal } = {}) {
  await request("DELETE", path, { signal });
}

/** Any request; raises ApiError unless it went well, or was answered 304. */
export async function request(method, path, { signal, headers, body } = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, signal, headers, body });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: "The service does not answer. Is it running?" });
  }
  if (answer.ok || answer.status === 304) return answer;
  throw new ApiError(answer.status, await problemOf(answer));
}

/** Whether somebody left the page before the answer came, which is no error. */
export function left(error) {
  return error.name === "AbortError";
}

async function problemOf(answer) {
  const isProblem = (answer.headers.get("Content-Type") ?? "").includes("json");
  try {
    return isProblem ? await answer.json() : {};
  } catch {
    return {};
  }
}
