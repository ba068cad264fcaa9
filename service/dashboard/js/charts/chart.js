/** Draws charts from the service's Vega-Lite definitions, which notebooks and pictures share. */

import { isAborted, request } from "../api.js";
import { onThemeChange, theme } from "../theme.js";
import { h, replace } from "../dom.js";
import { hideTooltip, showTooltip } from "./tooltip.js";
import { loadVega } from "./vega.js";

const VEGA_LITE = "application/vnd.vegalite+json";
const MIN_INTERVAL_MS = 1000;
const MIN_WIDTH = 240;
const RESIZE_THRESHOLD = 24;

/**
 * A chart of the definition at `address(parameters)`. `refresh()` reloads it immediately,
 * `refreshSoon()` at most once a second, since epochs may end faster than that.
 */
export function chart({ address, height, label, signal }) {
  const canvas = h("div", { class: "canvas" });
  const state = h("p", { class: "quiet" }, "Loading the chart…");
  const element = h("div", { class: "chart", role: "group", "aria-label": label }, state, canvas);
  const drawing = new Drawing(canvas);
  let [loading, reloadRequested, timer, lastLoad, width] = [false, false, null, 0, 0];

  async function load() {
    if (loading) {
      reloadRequested = true;
      return;
    }
    loading = true;
    lastLoad = performance.now();
    width = canvas.clientWidth;
    try {
      const parameters = new URLSearchParams({
        theme: theme(),
        width: Math.max(MIN_WIDTH, width),
        height,
      });
      const response = await request("GET", address(parameters), {
        signal,
        headers: { Accept: VEGA_LITE },
      });
      await drawing.draw(await response.json());
      state.hidden = true;
    } catch (error) {
      if (!isAborted(error)) fail(error);
    } finally {
      loading = false;
    }
    if (reloadRequested && !signal.aborted) {
      reloadRequested = false;
      refreshSoon();
    }
  }

  function fail(error) {
    state.hidden = false;
    replace(state, error.message);
  }

  function refreshSoon() {
    if (timer !== null) return;
    const wait = Math.max(0, lastLoad + MIN_INTERVAL_MS - performance.now());
    timer = setTimeout(() => {
      timer = null;
      if (!signal.aborted && canvas.clientWidth > 0) load();
    }, wait);
  }

  onThemeChange(load, signal);
  const observer = new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - width) > RESIZE_THRESHOLD) refreshSoon();
  });
  observer.observe(canvas);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    clearTimeout(timer);
    drawing.close();
  });
  return { element, refresh: load, refreshSoon };
}

/** Draws a definition; if only its data changed, updates the existing drawing. */
class Drawing {
  constructor(container) {
    this.container = container;
    this.view = null;
    this.shape = "";
  }

  async draw(definition) {
    const { vega, vegaLite, expressionInterpreter } = await loadVega();
    const { datasets, ...rest } = definition;
    const shape = JSON.stringify(rest);
    if (this.view !== null && shape === this.shape) {
      for (const [name, rows] of Object.entries(datasets ?? {})) this.setRows(name, rows);
      await this.view.runAsync();
      return;
    }
    const compiled = vegaLite.compile(definition).spec;
    const runtime = vega.parse(compiled, null, { ast: true });
    const view = new vega.View(runtime, {
      expr: expressionInterpreter,
      renderer: "svg",
      tooltip: showTooltip,
      logLevel: vega.Error,
      container: null,
    });
    const element = document.createElement("div");
    await view.initialize(element).runAsync();
    this.close();
    this.container.replaceChildren(element);
    [this.view, this.shape] = [view, shape];
  }

  setRows(name, rows) {
    try {
      this.view.data(name, rows);
    } catch {
      // Vega-Lite drops a data set that no mark uses when it compiles the definition.
    }
  }

  close() {
    hideTooltip();
    this.view?.finalize();
    this.view = null;
    this.shape = "";
  }
}
