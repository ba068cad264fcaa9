/** Loads Vega for the first chart: it is larger than the rest of the dashboard together. */

let loading = null;

/** Vega, Vega-Lite and the interpreter, which avoids `eval`: the content security policy forbids it. */
export function loadVega() {
  loading ??= load().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function load() {
  // Both are built for script elements and set a global; Vega-Lite needs Vega's.
  await import("../../vendor/vega.min.js");
  await import("../../vendor/vega-lite.min.js");
  const { expressionInterpreter } = await import("../../vendor/vega-interpreter.js");
  return { vega: globalThis.vega, vegaLite: globalThis.vegaLite, expressionInterpreter };
}
