/** Uploads files and shows their progress. */

import { alertUser, announce } from "../announce.js";
import { ApiError, isAborted } from "../api.js";
import { h, replace, setText } from "../dom.js";
import { bytes, duration } from "../format.js";
import { discard, isStarted, upload } from "./transfer.js";

const ACCEPTED = ".csv,.parquet,.npz,.npy,.zip";

/**
 * A place to choose or drop files. `onStored(dataset, isOnly)` receives every stored data set, and
 * whether the list holds no other upload, so that leaving the page interrupts and hides nothing.
 */
export function uploadPanel({ onStored, signal }) {
  const input = h("input", {
    id: "upload-file",
    type: "file",
    multiple: true,
    accept: ACCEPTED,
    onchange: () => start(input.files),
  });
  const list = h("ul", { class: "uploads" });
  const zone = h(
    "div",
    { class: "drop" },
    h("label", { for: "upload-file" }, "Upload a data set"),
    input,
    h(
      "p",
      { class: "hint" },
      "CSV with a header line, Parquet, NPZ, two NPY arrays concatenated in one file, or a ZIP of images with one folder per class. You can also drop files here. If an upload is interrupted, choose the same file again to resume.",
    ),
  );
  const highlight = (on) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", on);
  };
  zone.addEventListener("dragover", highlight(true));
  zone.addEventListener("dragleave", highlight(false));
  zone.addEventListener("drop", (event) => {
    highlight(false)(event);
    start(event.dataTransfer.files);
  });

  function start(files) {
    for (const file of files) list.append(row(file, { onDone, signal }));
    input.value = "";
  }

  function onDone(file, dataset, element) {
    const isOnly = list.children.length === 1;
    if (isOnly) element.remove();
    else replace(element, storedLine(file, dataset));
    onStored(dataset, isOnly);
  }

  return h("section", { "aria-label": "Upload" }, zone, list);
}

/** Bytes that are already stored keep their existing name. */
function storedLine(file, { id, name }) {
  const state = name === file.name ? "stored" : `already stored as ${name}`;
  return h(
    "p",
    { class: "upload-name" },
    h("a", { href: `/ui/datasets/${id}` }, file.name),
    " ",
    h("span", { class: "quiet" }, state),
  );
}

function row(file, { onDone, signal }) {
  const bar = h("progress", {
    class: "bar",
    max: Math.max(file.size, 1),
    value: 0,
    "aria-label": `Upload of ${file.name}`,
  });
  const state = h("p", { class: "upload-state" });
  const faults = h("ul", { class: "faults" });
  const pauseButton = h("button", { type: "button", class: "button small" }, "Pause");
  const discardButton = h("button", { type: "button", class: "button small" }, "Discard");
  const element = h(
    "li",
    { class: "upload" },
    h(
      "p",
      { class: "upload-name" },
      file.name,
      " ",
      h("span", { class: "quiet" }, bytes(file.size)),
    ),
    bar,
    state,
    faults,
    h("div", { class: "buttons" }, pauseButton, discardButton),
  );
  let current = null;

  async function run() {
    current = new AbortController();
    const eitherSignal = AbortSignal.any([current.signal, signal]);
    const startedAt = performance.now();
    let alreadySent = null;
    setText(pauseButton, "Pause");
    faults.replaceChildren();
    if (isStarted(file)) announce(`Resuming the upload of ${file.name}.`);
    try {
      const dataset = await upload(file, {
        signal: eitherSignal,
        onWait: (text) => text && setText(state, text),
        onProgress(sent) {
          alreadySent ??= sent;
          bar.value = sent;
          setText(
            state,
            progressText(sent, alreadySent, file.size, (performance.now() - startedAt) / 1000),
          );
        },
      });
      announce(`${file.name} stored.`);
      onDone(file, dataset, element);
    } catch (error) {
      failed(error);
    } finally {
      current = null;
    }
  }

  function failed(error) {
    setText(pauseButton, "Resume");
    if (isAborted(error)) {
      setText(state, "Paused. The parts sent so far are kept for a while.");
      return;
    }
    setText(state, error.message);
    if (error instanceof ApiError && error.faults.length > 0) showFaults(error.faults);
    alertUser(`${file.name}: ${error.message}`);
  }

  /** Show why the file was rejected; retrying the same bytes is pointless. */
  function showFaults(list) {
    element.classList.add("rejected");
    bar.hidden = true;
    pauseButton.hidden = true;
    setText(discardButton, "Dismiss");
    replace(
      faults,
      list.map(({ pointer, detail }) =>
        h("li", {}, pointer ? h("code", {}, pointer) : null, " ", detail),
      ),
    );
  }

  pauseButton.addEventListener("click", () => (current ? current.abort() : run()));
  discardButton.addEventListener("click", async () => {
    current?.abort();
    await discard(file);
    element.remove();
    announce(`${file.name} removed.`);
    document.getElementById("upload-file")?.focus();
  });
  run();
  return element;
}

function progressText(sent, alreadySent, size, seconds) {
  if (sent >= size) return "Sent; inspecting rows…";
  const rate = (sent - alreadySent) / seconds;
  const pace =
    rate > 0 && seconds > 1
      ? `, ${bytes(Math.round(rate))}/s, ${duration((size - sent) / rate)} left`
      : "";
  return `${bytes(sent)} of ${bytes(size)}${pace}`;
}
