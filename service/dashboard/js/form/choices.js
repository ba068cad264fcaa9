/** Options of the form's lists: the catalog's entries and the stored data sets. */

import { get, isAborted } from "../api.js";
import { count } from "../format.js";

const MAX_STORED = 100;

/** The lists by name: `losses`, `optimizers`, `datasets`. */
export async function choices(signal) {
  const [catalog, stored] = await Promise.all([
    get("/catalog", { signal }),
    storedDatasets(signal),
  ]);
  return {
    losses: catalog.losses.map(({ name }) => [name, name]),
    optimizers: catalog.optimizers.map(({ name }) => [name, name]),
    datasets: [
      ["Built in", catalogDatasets(catalog, "builtin")],
      ["Keras (downloaded once)", catalogDatasets(catalog, "keras")],
      ...(stored.length > 0 ? [["Stored", stored]] : []),
    ],
  };
}

function catalogDatasets(catalog, source) {
  return catalog.datasets
    .filter((dataset) => dataset.source === source)
    .map(({ name, rows, classes }) => [
      `${source} ${name}`,
      `${name}: ${count(rows)} rows, ${classes === null ? "real-valued target" : `${count(classes)} classes`}`,
    ]);
}

async function storedDatasets(signal) {
  try {
    const { items } = await get(`/datasets?limit=${MAX_STORED}`, { signal });
    return items.map(({ id, name, rows }) => [`upload ${id}`, `${name}: ${count(rows)} rows`]);
  } catch (error) {
    if (isAborted(error)) throw error;
    return [];
  }
}
