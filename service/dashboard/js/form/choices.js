/** What the form's lists offer: from the catalogue, and the data sets that were uploaded. */

import { get } from "../api.js";
import { count } from "../format.js";

const MOST_UPLOADS = 100;

/** Lists by name: `losses`, `optimizers`, `datasets`. */
export async function choices(signal) {
  const [catalog, uploads] = await Promise.all([get("/catalog", { signal }), uploaded(signal)]);
  return {
    losses: catalog.losses.map(({ name }) => [name, name]),
    optimizers: catalog.optimizers.map(({ name }) => [name, name]),
    datasets: [
      ["With the worker", of(catalog, "builtin")],
      ["Keras's, downloaded once", of(catalog, "keras")],
      ...(uploads.length > 0 ? [["Uploaded", uploads]] : []),
    ],
  };
}

function of(catalog, source) {
  return catalog.datasets
    .filter((each) => each.source === source)
    .map(({ name, rows, classes }) => [
      `${source} ${name}`,
      `${name}: ${count(rows)} rows, ${classes === null ? "a real value" : `${count(classes)} classes`}`,
    ]);
}

async function uploaded(signal) {
  try {
    const { items } = await get(`/datasets?limit=${MOST_UPLOADS}`, { signal });
    return items.map(({ id, name, rows }) => [`upload ${id}`, `${name}: ${count(rows)} rows`]);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return [];
  }
}
