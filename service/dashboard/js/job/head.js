/** The head of a job's page: name, progress and actions. */

import { alertUser, announce } from "../announce.js";
import { post, remove } from "../api.js";
import { askToConfirm } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { ago, duration, localTime } from "../format.js";
import { go } from "../navigation.js";
import { progressBar, progressText } from "../progress.js";
import { hasEnded, statusBadge } from "../status.js";

const CONNECTIONS = {
  live: "Live: updates after every epoch",
  waiting: "Connection lost; reconnecting…",
  polling: "Polling for changes",
  closed: "",
};

/** `update(job)` shows the job's current state; `onJob(job)` receives it after an action. */
export function jobHead(onJob) {
  const title = h("h1", {});
  const details = h("p", { class: "subline" });
  const state = h("div", { class: "progress-line" });
  const reason = h("p", { class: "reason", hidden: true });
  const connection = h("p", { class: "connection-state", "data-state": "closed" });
  const buttons = actionButtons();
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  let job = null;

  async function act(action, message) {
    fault.hidden = true;
    try {
      if (action === "delete") {
        await remove(`/jobs/${job.id}`);
        announce("Job deleted.");
        go("/");
        return;
      }
      onJob(await post(`/jobs/${job.id}/${action}`));
      announce(message);
    } catch (error) {
      setText(fault, error.message);
      fault.hidden = false;
      alertUser(error.message);
    }
  }

  buttons.pause.addEventListener("click", () =>
    act("pause", "The job will pause after this epoch."),
  );
  buttons.resume.addEventListener("click", () => act("resume", "Job resumed."));
  buttons.cancel.addEventListener("click", async () => {
    const question = {
      title: "Cancel this job?",
      text: "A cancelled job publishes no model, and its training is lost. To keep a checkpoint, pause it instead.",
      confirmLabel: "Cancel job",
      cancelLabel: "Keep training",
    };
    if (await askToConfirm(question)) act("cancel", "Cancelling the job.");
  });
  buttons.remove.addEventListener("click", async () => {
    const question = {
      title: "Delete this job?",
      text: "Its curves, report and model files are permanently deleted.",
      confirmLabel: "Delete permanently",
    };
    if (await askToConfirm(question)) act("delete", "");
  });

  function update(next) {
    job = next;
    setText(title, job.name ?? `Job ${job.id.slice(4, 12)}`);
    replace(details, ...subline(job));
    replace(
      state,
      statusBadge(job.status),
      progressBar(job),
      h("span", { class: "progress-text" }, progressText(job)),
    );
    reason.hidden = job.reason === null || ranAllEpochs(job);
    setText(reason, job.reason === null ? "" : job.reason.detail);
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
    details,
    state,
    reason,
    fault,
    connection,
  );
  return {
    element,
    update,
    showConnection(name) {
      connection.dataset.state = name;
      setText(connection, CONNECTIONS[name]);
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
    again: h("a", { class: "button" }, "Edit and retrain"),
    compare: h("a", { class: "button" }, "Compare"),
  };
}

/** Whether it succeeded with its last epoch, which needs no reason. */
function ranAllEpochs({ status, progress }) {
  return status === "succeeded" && progress.epoch >= progress.epochs;
}

function showButtons(buttons, { id, status }) {
  buttons.again.href = `/ui/new?job=${id}`;
  buttons.compare.href = `/ui/compare?jobs=${id}`;
  setHidden(buttons.pause, !["queued", "running"].includes(status));
  setHidden(buttons.resume, !["paused", "pausing"].includes(status));
  setHidden(buttons.cancel, hasEnded(status) || status === "cancelling");
  setHidden(buttons.remove, !hasEnded(status));
}

/** Hide or show a button; if it had the focus, move that to the heading. */
function setHidden(button, hidden) {
  const losesFocus = hidden && document.activeElement === button;
  button.hidden = hidden;
  if (!losesFocus) return;
  const heading = button.closest(".job-head")?.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function subline(job) {
  const parts = [
    h("code", { title: "Job id" }, job.id),
    h(
      "span",
      {},
      "created ",
      h(
        "time",
        { datetime: job.created_at, title: localTime(job.created_at) },
        ago(job.created_at),
      ),
    ),
  ];
  if (job.started_at && job.finished_at) {
    const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
    parts.push(h("span", {}, `took ${duration(seconds)}`));
  }
  if (job.attempt > 1) parts.push(h("span", {}, `attempt ${job.attempt}`));
  return [...parts, ...job.tags.map((tag) => h("span", { class: "tag" }, tag))];
}
