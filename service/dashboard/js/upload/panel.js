/** Takes files, and shows how far each is. */

import { alertUser, announce } from "../announce.js";
import { ApiError, left } from "../api.js";
import { h, replace, say } from "../dom.js";
import { bytes, duration } from "../format.js";
import { discard, isBegun, upload } from "./transfer.js";

const ACCEPTED = ".csv,.parquet,.npz,.npy,.zip";

/**
 * A place to choose or drop files; `onStored(dataset, alone)` gets each that has arrived, and whether
 * no other is on its way or was refused: who leaves the page then takes nothing with them.
 */
export function uploadPanel({ onStored, signal }) {
  const input = h("input", {
    id: "upload-file",
    type: "file",
    multiple: true,
    accept: ACCEPTED,
    onchange: () => take(input.files),
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
      "CSV with a header line, Parquet, NPZ, two NPY arrays in one file, or a ZIP of images in one folder a class. Drop files here too. What breaks off goes on when the same file is chosen again.",
    ),
  );
  const over = (on) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", on);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    take(event.dataTransfer.files);
  });

  function take(files) {
    for (const file of files) list.append(row(file, { stored, signal }));
    input.value = "";
  }

  function stored(file, dataset, element) {
    const alone = list.children.length === 1;
    if (alone) element.remove();
    else replace(element, storedLine(file, dataset));
    onStored(dataset, alone);
  }

  return h("section", { "aria-label": "Upload" }, zone, list);
}

/** The same bytes may have been stored before, and keep the name that they had then. */
function storedLine(file, { id, name }) {
  const state = name === file.name ? "is stored" : `was stored before, as ${name}`;
  return h(
    "p",
    { class: "upload-name" },
    h("a", { href: `/ui/datasets/${id}` }, file.name),
    " ",
    h("span", { class: "quiet" }, state),
  );
}

function row(file, { stored, signal }) {
  const bar = h("progress", {
    class: "bar",
    max: Math.max(file.size, 1),
    value: 0,
    "aria-label": `${file.name}, sent`,
  });
  const state = h("p", { class: "upload-state" });
  const faults = h("ul", { class: "faults" });
  const stop = h("button", { type: "button", class: "button small" }, "Pause");
  const drop = h("button", { type: "button", class: "button small" }, "Give up");
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
    h("div", { class: "buttons" }, stop, drop),
  );
  let running = null;

  async function run() {
    running = new AbortController();
    const both = AbortSignal.any([running.signal, signal]);
    const began = performance.now();
    let first = null;
    say(stop, "Pause");
    faults.replaceChildren();
    if (isBegun(file)) announce(`${file.name} goes on where it broke off.`);
    try {
      const dataset = await upload(file, {
        signal: both,
        onWait: (text) => text && say(state, text),
        onProgress(sent) {
          first ??= sent;
          bar.value = sent;
          say(state, progressText(sent, first, file.size, (performance.now() - began) / 1000));
        },
      });
      announce(`${file.name} is stored.`);
      stored(file, dataset, element);
    } catch (error) {
      failed(error);
    } finally {
      running = null;
    }
  }

  function failed(error) {
    say(stop, "Go on");
    if (left(error)) {
      say(state, "Paused: what was sent is kept for a while.");
      return;
    }
    say(state, error.message);
    if (error instanceof ApiError && error.faults.length > 0) refused(error.faults);
    alertUser(`${file.name}: ${error.message}`);
  }

  /** The same bytes would be refused again: there is nothing to go on with. */
  function refused(found) {
    element.classList.add("refused");
    bar.hidden = true;
    stop.hidden = true;
    say(drop, "Dismiss");
    replace(
      faults,
      found.map(({ pointer, detail }) =>
        h("li", {}, pointer ? h("code", {}, pointer) : null, " ", detail),
      ),
    );
  }

  stop.addEventListener("click", () => (running ? running.abort() : run()));
  drop.addEventListener("click", async () => {
    running?.abort();
    await discard(file);
    element.remove();
    announce(`${file.name} was taken from the list.`);
    document.getElementById("upload-file")?.focus();
  });
  run();
  return element;
}

function progressText(sent, first, size, seconds) {
  if (sent >= size) return "Sent; its rows are being looked at…";
  const rate = (sent - first) / seconds;
  const rest =
    rate > 0 && seconds > 1
      ? `, ${bytes(Math.round(rate))}/s, ${duration((size - sent) / rate)} left`
      : "";
  return `${bytes(sent)} of ${bytes(size)}${rest}`;
}
