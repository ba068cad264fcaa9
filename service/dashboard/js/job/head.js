/** The top of a job's page: what it is, how far it is, and what can be asked of it. */

import { alertUser, announce } from "../announce.js";
import { post, remove } from "../api.js";
import { confirmed } from "../dialog.js";
import { h, replace, say } from "../dom.js";
import { ago, duration, moment } from "../format.js";
import { go } from "../navigation.js";
import { progressBar, progressText } from "../progress.js";
import { ended, statusBadge } from "../status.js";

const LINKS = {
  live: "Live: each epoch is shown as it ends",
  waiting: "Connection lost, trying again",
  polling: "Asking for changes",
  closed: "",
};

/** `update(job)` shows the job as it is now; `onJob` gets it after an action. */
export function jobHead(onJob) {
  const title = h("h1", {});
  const line = h("p", { class: "subline" });
  const state = h("div", { class: "progress-line" });
  const reason = h("p", { class: "reason", hidden: true });
  const link = h("p", { class: "link-state", "data-state": "closed" });
  const buttons = actionButtons();
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  let job = null;

  async function act(action, word) {
    fault.hidden = true;
    try {
      if (action === "delete") {
        await remove(`/jobs/${job.id}`);
        announce("The job is deleted.");
        go("/");
        return;
      }
      onJob(await post(`/jobs/${job.id}/${action}`));
      announce(word);
    } catch (error) {
      say(fault, error.message);
      fault.hidden = false;
      alertUser(error.message);
    }
  }

  buttons.pause.addEventListener("click", () =>
    act("pause", "The job is going to pause after this epoch."),
  );
  buttons.resume.addEventListener("click", () => act("resume", "The job goes on."));
  buttons.cancel.addEventListener("click", async () => {
    const question = {
      title: "Cancel this job?",
      text: "What it has learned is lost: a cancelled job publishes no model. Pause keeps a checkpoint.",
      yes: "Cancel the job",
      no: "Let it train",
    };
    if (await confirmed(question)) act("cancel", "The job is being cancelled.");
  });
  buttons.remove.addEventListener("click", async () => {
    const question = {
      title: "Delete this job?",
      text: "Its curves, its report and its model files are deleted for good.",
      yes: "Delete for good",
    };
    if (await confirmed(question)) act("delete", "");
  });

  function update(next) {
    job = next;
    say(title, job.name ?? `Job ${job.id.slice(4, 12)}`);
    replace(line, ...subline(job));
    replace(
      state,
      statusBadge(job.status),
      progressBar(job),
      h("span", { class: "progress-text" }, progressText(job)),
    );
    reason.hidden = job.reason === null || job.reason.code === "completed";
    say(reason, job.reason === null ? "" : `${job.reason.detail}`);
    reason.classList.toggle("bad", job.status === "failed");
    showButtons(buttons, job);
  }

  const element = h(
    "header",
    { class: "job-head" },
    h(
      "div",
      { class: "headline" },
      title,
      h(
        "div",
        { class: "buttons" },
        buttons.again,
        buttons.compare,
        buttons.pause,
        buttons.resume,
        buttons.cancel,
        buttons.remove,
      ),
    ),
    line,
    state,
    reason,
    fault,
    link,
  );
  return {
    element,
    update,
    link(name) {
      link.dataset.state = name;
      say(link, LINKS[name]);
    },
  };
}

function actionButtons() {
  const button = (label, kind = "") =>
    h("button", { class: `button ${kind}`, type: "button" }, label);
  return {
    pause: button("Pause"),
    resume: button("Resume", "primary"),
    cancel: button("Cancel"),
    remove: button("Delete"),
    again: h("a", { class: "button" }, "Train again, changed"),
    compare: h("a", { class: "button" }, "Compare"),
  };
}

function showButtons(buttons, { id, status }) {
  buttons.again.href = `/ui/new?job=${id}`;
  buttons.compare.href = `/ui/compare?jobs=${id}`;
  keepFocus(buttons.pause, !["queued", "running"].includes(status));
  keepFocus(buttons.resume, !["paused", "pausing"].includes(status));
  keepFocus(buttons.cancel, ended(status) || status === "cancelling");
  keepFocus(buttons.remove, !ended(status));
}

/** Hide a button; if focus is on it, it goes to the heading rather than nowhere. */
function keepFocus(button, hidden) {
  const focused = hidden && document.activeElement === button;
  button.hidden = hidden;
  if (!focused) return;
  const heading = button.closest(".job-head")?.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function subline(job) {
  const parts = [
    h("code", { title: "The job's id" }, job.id),
    h(
      "span",
      {},
      "created ",
      h("time", { datetime: job.created_at, title: moment(job.created_at) }, ago(job.created_at)),
    ),
  ];
  if (job.started_at && job.finished_at) {
    const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
    parts.push(h("span", {}, `took ${duration(seconds)}`));
  }
  if (job.attempt > 1) parts.push(h("span", {}, `attempt ${job.attempt}`));
  return [...parts, ...job.tags.map((tag) => h("span", { class: "tag" }, tag))];
}
