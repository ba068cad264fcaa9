/** Follows a job while it goes on: by server-sent events, or by asking where these do not come. */

import { ApiError, left, request } from "./api.js";
import { ended } from "./status.js";

const REFRESH_MS = 250;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
const WAIT_S = 20;
const HIDDEN_S = 10;
const FAILURES_BEFORE_ASKING = 3;
const MANY_EPOCHS = 2000;

/**
 * Call `onJob(job)` with each change, `onEpoch(row)` at each epoch's end, `onLink(state)` with how
 * one hears of them, until the job has ended or the signal comes; `onGone()` where it was deleted.
 */
export function follow(job, { onJob, onEpoch, onLink, onGone }, signal) {
  const follower = new Follower(job, { onJob, onEpoch, onLink, onGone }, signal);
  follower.start();
}

class Follower {
  constructor(job, listeners, signal) {
    Object.assign(this, listeners);
    this.path = `/jobs/${job.id}`;
    this.signal = signal;
    this.job = job;
    this.tag = null;
    this.lastId = 0;
    this.source = null;
    this.failures = 0;
    this.timer = null;
    this.refreshing = null;
    this.done = false;
  }

  start() {
    this.signal.addEventListener("abort", () => this.stop());
    document.addEventListener("visibilitychange", () => this.turn(), { signal: this.signal });
    this.turn();
  }

  /** A hidden page keeps no stream open: a browser has six connections for all its pages. */
  turn() {
    this.close();
    if (this.done) return;
    // A stream begins with all that has happened: of a very long job that is too much.
    if (document.hidden) this.ask(HIDDEN_S * 1000, 0);
    else if (this.job.progress.epoch > MANY_EPOCHS && this.lastId === 0) this.ask(0, WAIT_S);
    else this.listen();
  }

  listen() {
    const source = new EventSource(`${this.path}/events?after=${this.lastId}`);
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.onLink("live");
    };
    source.addEventListener("status", (event) => this.heard(event));
    source.addEventListener("epoch", (event) => {
      this.heard(event);
      this.onEpoch(JSON.parse(event.data).row);
    });
    source.addEventListener("end", () => this.refresh());
    source.onerror = () => this.lost(source);
  }

  heard(event) {
    this.lastId = Number(event.lastEventId) || this.lastId;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.refresh();
    }, REFRESH_MS);
  }

  lost(source) {
    if (source !== this.source || this.done) return;
    this.onLink("waiting");
    if (source.readyState !== EventSource.CLOSED) return; // The browser tries again by itself.
    this.close();
    this.failures += 1;
    if (this.failures >= FAILURES_BEFORE_ASKING) this.ask(0, WAIT_S);
    else
      this.later(
        () => this.turn(),
        Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.failures - 1)),
      );
  }

  /** Ask for the job's changes, one request after the other. */
  async ask(everyMs, waitS) {
    const went = await this.refresh(waitS);
    if (this.done || this.signal.aborted || this.source !== null) return;
    if (!document.hidden) this.onLink(went ? "polling" : "waiting");
    this.later(() => this.ask(everyMs, waitS), went ? everyMs : LONGEST_RETRY_MS / 5);
  }

  /** Read the job anew; whether that went well. One at a time, so an old answer follows no new one. */
  refresh(waitS = 0) {
    const before = this.refreshing ?? Promise.resolve();
    const mine = before.then(() => this.read(waitS));
    this.refreshing = mine;
    return mine;
  }

  async read(waitS) {
    try {
      const headers = this.tag === null ? {} : { "If-None-Match": this.tag };
      const query = waitS > 0 && this.tag !== null ? `?wait=${waitS}` : "";
      const answer = await request("GET", this.path + query, { signal: this.signal, headers });
      if (answer.status === 304 || this.done) return true;
      this.tag = answer.headers.get("ETag");
      this.job = await answer.json();
      if (ended(this.job.status)) this.stop();
      this.onJob(this.job);
      return true;
    } catch (error) {
      if (left(error)) return false;
      if (error instanceof ApiError && error.status === 404) {
        this.stop();
        this.onGone();
      }
      return false;
    }
  }

  later(what, milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      if (!this.signal.aborted) what();
    }, milliseconds);
  }

  close() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    this.timer = null;
  }

  stop() {
    this.done = true;
    this.close();
    this.onLink("closed");
  }
}
