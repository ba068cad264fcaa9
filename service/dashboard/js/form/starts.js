/** Initial specs of a new job: an example, another job, or a stored data set. */

import { get } from "../api.js";
import { datasetSpec } from "../dataset/starter.js";
import { patched } from "./pointer.js";

/** A small network with both kinds of regularization, which trains in seconds. */
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

/** A larger network without regularization, which overfits. */
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

/** The initial spec that the address's query selects, and a remark about it. */
export async function startOf(query, signal) {
  if (query.has("job")) return fromJob(query.get("job"), query.get("change"), signal);
  if (query.has("dataset")) return fromDataset(query, signal);
  return { spec: EXAMPLE, remark: "" };
}

async function fromJob(id, change, signal) {
  const path = `/jobs/${encodeURIComponent(id)}`;
  const job = await get(path, { signal });
  const name = job.name ?? id;
  if (change === null) return { spec: withoutEmpty(job.spec), remark: `Based on ${name}.` };
  const report = await get(`${path}/report`, { signal });
  const suggestion = report.suggestions.find(({ id: suggested }) => suggested === change);
  if (!suggestion)
    return {
      spec: withoutEmpty(job.spec),
      remark: `Based on ${name}, without the change: its report no longer suggests it.`,
    };
  return {
    spec: patched(job.resolved, suggestion.patch),
    remark: `Based on ${name}. ${suggestion.message}`,
  };
}

async function fromDataset(query, signal) {
  const dataset = await get(`/datasets/${encodeURIComponent(query.get("dataset"))}`, { signal });
  return {
    spec: datasetSpec(dataset, query.get("target")),
    remark: `For the data set ${dataset.name}.`,
  };
}

/** A spec without null and empty members, which only make it longer to read. */
function withoutEmpty(spec) {
  return Object.fromEntries(
    Object.entries(spec).filter(
      ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
