/** Loads Vega when a chart is first shown: it is larger than all the rest together. */

let loading = null;

/** Vega, Vega-Lite and the interpreter, which needs no `eval`: the policy forbids it. */
export function loadVega() {
  loading ??= load().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function load() {
  // Built for script elements, they leave a global behind; the second one needs the first one's.
  await import("../../vendor/vega.min.js");
  await import("../../vendor/vega-lite.min.js");
  const { expressionInterpreter } = await import("../../vendor/vega-interpreter.js");
  return { vega: globalThis.vega, vegaLite: globalThis.vegaLite, expressionInterpreter };
}
