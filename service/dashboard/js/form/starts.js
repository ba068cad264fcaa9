/** Where a new job may begin: an example, a preset, another job, an uploaded data set. */

import { get } from "../api.js";
import { datasetSpec } from "../upload/starter.js";
import { patched } from "./pointer.js";

/** Small, trained within seconds, and with both kinds of regularization. */
export const EXAMPLE = {
  name: "digits-l2-dropout",
  dataset: { source: "builtin", name: "digits" },
  split: { validation: 0.2, test: 0.1, stratify: true },
  model: {
    layers: [
      { type: "Dense", units: 64, activation: "relu" },
      { type: "Dense", units: 64, activation: "relu" },
      { type: "Dense", units: 10, activation: "softmax" },
    ],
  },
  regularization: { weights: { l2: 0.001 }, dropout: { rate: 0.3, after: ["dense"] } },
  training: {
    epochs: 30,
    batch_size: 32,
    optimizer: { name: "adam", learning_rate: 0.001 },
    loss: "sparse_categorical_crossentropy",
    metrics: ["accuracy"],
    seed: 7,
  },
};

/** The same network with nothing against overfitting: what the note begins with. */
export const OVERFITS = {
  name: "digits-overfits",
  dataset: { source: "builtin", name: "digits" },
  split: { validation: 0.5 },
  model: {
    layers: [
      { type: "Dense", units: 256, activation: "relu" },
      { type: "Dense", units: 256, activation: "relu" },
      { type: "Dense", units: 10, activation: "softmax" },
    ],
  },
  training: { epochs: 60, loss: "sparse_categorical_crossentropy", metrics: ["accuracy"] },
};

/** The spec that an address asks to begin with, and what to say of it. */
export async function startOf(query, signal) {
  if (query.has("job")) return fromJob(query.get("job"), query.get("change"), signal);
  if (query.has("dataset")) return fromDataset(query, signal);
  return { spec: EXAMPLE, remark: "" };
}

async function fromJob(id, change, signal) {
  const path = `/jobs/${encodeURIComponent(id)}`;
  const job = await get(path, { signal });
  const name = job.name ?? id;
  if (change === null) return { spec: said(job.spec), remark: `Begun from ${name}.` };
  const report = await get(`${path}/report`, { signal });
  const suggestion = report.suggestions.find((each) => each.id === change);
  if (!suggestion)
    return {
      spec: said(job.spec),
      remark: `Begun from ${name}; the report no longer suggests that.`,
    };
  return {
    spec: patched(job.resolved, suggestion.patch),
    remark: `Begun from ${name}. ${suggestion.message}`,
  };
}

async function fromDataset(query, signal) {
  const dataset = await get(`/datasets/${encodeURIComponent(query.get("dataset"))}`, { signal });
  return { spec: datasetSpec(dataset, query.get("target")), remark: `Begun for ${dataset.name}.` };
}

/** A spec without the members that say nothing: a form is to be read. */
function said(spec) {
  return Object.fromEntries(
    Object.entries(spec).filter(
      ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
