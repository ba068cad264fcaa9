// What vega-interpreter imports of vega-util, out of vega.min.js, which holds it.
export const { ascending, isString, DisallowedObjectProperties } = globalThis.vega;
