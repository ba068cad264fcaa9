/** Follows a job until it ends: by server-sent events, or by polling where these do not arrive. */

import { ApiError, isAborted, request } from "./api.js";
import { hasEnded } from "./status.js";

const REFRESH_MS = 250;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
const FAILED_POLL_RETRY_MS = 3000;
const LONG_POLL_S = 20;
const HIDDEN_POLL_MS = 10_000;
const FAILURES_BEFORE_POLLING = 3;
const MAX_REPLAYED_EPOCHS = 2000;

/**
 * Follow a job until it ends or the signal aborts. Calls `onJob(job)` after each change,
 * `onEpoch(row)` after each epoch, `onConnection(state)` with `live`, `waiting`, `polling` or
 * `closed`, and `onDeleted()` if the job is deleted.
 */
export function follow(job, { onJob, onEpoch, onConnection, onDeleted }, signal) {
  const follower = new Follower(job, { onJob, onEpoch, onConnection, onDeleted }, signal);
  follower.start();
}

class Follower {
  constructor(job, listeners, signal) {
    Object.assign(this, listeners);
    this.path = `/jobs/${job.id}`;
    this.signal = signal;
    this.job = job;
    this.etag = null;
    this.lastEventId = 0;
    this.source = null;
    this.failures = 0;
    this.timer = null;
    this.refreshing = null;
    this.stopped = false;
  }

  start() {
    this.signal.addEventListener("abort", () => this.stop());
    document.addEventListener("visibilitychange", () => this.connect(), { signal: this.signal });
    this.connect();
  }

  /** A hidden page keeps no stream open: a browser has six connections for all its pages. */
  connect() {
    this.disconnect();
    if (this.stopped) return;
    if (document.hidden) this.poll(HIDDEN_POLL_MS, 0);
    // A stream starts by replaying all events, which are too many for a very long job.
    else if (this.job.progress.epoch > MAX_REPLAYED_EPOCHS && this.lastEventId === 0)
      this.poll(0, LONG_POLL_S);
    else this.listen();
  }

  listen() {
    const source = new EventSource(`${this.path}/events?after=${this.lastEventId}`);
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.onConnection("live");
    };
    source.addEventListener("status", (event) => this.received(event));
    source.addEventListener("epoch", (event) => {
      this.received(event);
      this.onEpoch(JSON.parse(event.data).row);
    });
    source.addEventListener("end", () => this.refresh());
    source.onerror = () => this.connectionLost(source);
  }

  /** Refresh soon after an event, once for all events of a burst. */
  received(event) {
    this.lastEventId = Number(event.lastEventId) || this.lastEventId;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.refresh();
    }, REFRESH_MS);
  }

  connectionLost(source) {
    if (source !== this.source || this.stopped) return;
    this.onConnection("waiting");
    if (source.readyState !== EventSource.CLOSED) return; // The browser reconnects by itself.
    this.disconnect();
    this.failures += 1;
    if (this.failures >= FAILURES_BEFORE_POLLING) this.poll(0, LONG_POLL_S);
    else
      this.schedule(
        () => this.connect(),
        Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.failures - 1)),
      );
  }

  /** Poll for changes, one request at a time. */
  async poll(intervalMs, longPollS) {
    const succeeded = await this.refresh(longPollS);
    if (this.stopped || this.signal.aborted || this.source !== null) return;
    if (!document.hidden) this.onConnection(succeeded ? "polling" : "waiting");
    this.schedule(
      () => this.poll(intervalMs, longPollS),
      succeeded ? intervalMs : FAILED_POLL_RETRY_MS,
    );
  }

  /**
   * Reload the job; resolves to whether that succeeded. One request at a time, so that an older
   * response never overwrites a newer one.
   */
  refresh(longPollS = 0) {
    const previous = this.refreshing ?? Promise.resolve();
    this.refreshing = previous.then(() => this.load(longPollS));
    return this.refreshing;
  }

  async load(longPollS) {
    try {
      const headers = this.etag === null ? {} : { "If-None-Match": this.etag };
      const query = longPollS > 0 && this.etag !== null ? `?wait=${longPollS}` : "";
      const response = await request("GET", this.path + query, { signal: this.signal, headers });
      if (response.status === 304 || this.stopped) return true;
      this.etag = response.headers.get("ETag");
      this.job = await response.json();
      if (hasEnded(this.job.status)) this.stop();
      this.onJob(this.job);
      return true;
    } catch (error) {
      if (isAborted(error)) return false;
      if (error instanceof ApiError && error.status === 404) {
        this.stop();
        this.onDeleted();
      }
      return false;
    }
  }

  schedule(callback, milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      if (!this.signal.aborted) callback();
    }, milliseconds);
  }

  disconnect() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    this.timer = null;
  }

  stop() {
    this.stopped = true;
    this.disconnect();
    this.onConnection("closed");
  }
}
