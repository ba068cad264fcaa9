/** Downloads of a job's published files. */

import { h, replace } from "../dom.js";
import { bytes } from "../format.js";
import { hasEnded } from "../status.js";

const DESCRIPTIONS = {
  "model.keras": "model, for keras.saving.load_model",
  "model.weights.h5": "weights only",
  "model.json": "architecture for the weights",
  "saved_model.zip": "TensorFlow SavedModel",
  "model.tflite": "LiteRT model",
  "model.onnx": "ONNX model",
  "tensorboard.zip": "curves and weights for TensorBoard",
  "report.json": "report shown on this page",
  "split.npz": "row indices of every split",
  "features.json": "how to encode a row for the model",
};

export function files() {
  const list = h("ul", { class: "files" });
  const none = h("p", { class: "quiet" });
  const element = h(
    "section",
    { "aria-labelledby": "files-title" },
    h("h2", { id: "files-title" }, "Files"),
    list,
    none,
  );
  let shownState = null;
  return {
    element,
    update(job) {
      const state = `${job.status} ${job.artifacts.length}`;
      if (state === shownState) return;
      shownState = state;
      replace(list, job.artifacts.map(item));
      none.hidden = job.artifacts.length > 0;
      none.textContent = hasEnded(job.status)
        ? "This job published no files."
        : "Available once the job has succeeded.";
    },
  };
}

function item({ name, bytes: size, sha256, href }) {
  return h(
    "li",
    {},
    h("a", { href, download: name }, name),
    h("span", { class: "size" }, bytes(size)),
    h("span", { class: "what" }, DESCRIPTIONS[name] ?? ""),
    h("code", { class: "digest", title: `SHA-256 ${sha256}` }, sha256.slice(0, 12)),
  );
}
