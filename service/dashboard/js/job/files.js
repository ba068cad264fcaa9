/** The published files, to download. */

import { h, replace } from "../dom.js";
import { bytes } from "../format.js";
import { ended } from "../status.js";

const WHAT = {
  "model.keras": "the model, for keras.saving.load_model",
  "model.weights.h5": "the weights alone",
  "model.json": "the architecture the weights belong to",
  "saved_model.zip": "TensorFlow's SavedModel",
  "model.tflite": "LiteRT",
  "model.onnx": "ONNX",
  "tensorboard.zip": "curves and weights for TensorBoard",
  "report.json": "the report on this page",
  "split.npz": "which rows were trained on",
  "features.json": "how a row is encoded",
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
  let shown = null;
  return {
    element,
    update(job) {
      const now = `${job.status} ${job.artifacts.length}`;
      if (now === shown) return;
      shown = now;
      replace(list, job.artifacts.map(item));
      none.hidden = job.artifacts.length > 0;
      none.textContent = ended(job.status)
        ? "The job published none."
        : "The model can be downloaded here once the job has succeeded.";
    },
  };
}

function item({ name, bytes: size, sha256, href }) {
  return h(
    "li",
    {},
    h("a", { href, download: name }, name),
    h("span", { class: "size" }, bytes(size)),
    h("span", { class: "what" }, WHAT[name] ?? ""),
    h("code", { class: "digest", title: `SHA-256 ${sha256}` }, sha256.slice(0, 12)),
  );
}
