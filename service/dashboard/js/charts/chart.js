/** A chart that the service defines, drawn here: one definition serves all who show it. */

import { left, request } from "../api.js";
import { onThemeChange, theme } from "../colours.js";
import { h, replace } from "../dom.js";
import { hideTooltip, showTooltip } from "./tooltip.js";
import { loadVega } from "./vega.js";

const VEGA_LITE = "application/vnd.vegalite+json";
const EVERY_MS = 1000;
const LEAST_WIDTH = 240;
const RESIZED_BY = 24;

/**
 * A chart of what `address(parameters)` answers; `now()` asks for it anew, `soon()` at most once a
 * second, since epochs may end faster than anybody looks.
 */
export function chart({ address, height, label, signal }) {
  const canvas = h("div", { class: "canvas" });
  const state = h("p", { class: "quiet" }, "Loading the chart…");
  const element = h("div", { class: "chart", role: "group", "aria-label": label }, state, canvas);
  const drawing = new Drawing(canvas);
  let [running, again, timer, last, width] = [false, false, null, 0, 0];

  async function load() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    last = performance.now();
    width = canvas.clientWidth;
    try {
      const parameters = new URLSearchParams({
        theme: theme(),
        width: Math.max(LEAST_WIDTH, width),
        height,
      });
      const answer = await request("GET", address(parameters), {
        signal,
        headers: { Accept: VEGA_LITE },
      });
      await drawing.draw(await answer.json());
      state.hidden = true;
    } catch (error) {
      if (!left(error)) fail(error);
    } finally {
      running = false;
    }
    if (again && !signal.aborted) {
      again = false;
      soon();
    }
  }

  function fail(error) {
    state.hidden = false;
    replace(state, error.message);
  }

  function soon() {
    if (timer !== null) return;
    const wait = Math.max(0, last + EVERY_MS - performance.now());
    timer = setTimeout(() => {
      timer = null;
      if (!signal.aborted && canvas.clientWidth > 0) load();
    }, wait);
  }

  onThemeChange(load, signal);
  const observer = new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - width) > RESIZED_BY) soon();
  });
  observer.observe(canvas);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    clearTimeout(timer);
    drawing.close();
  });
  return { element, now: load, soon };
}

/** Draws a definition; where only the data is new, the drawing stays and gets the data. */
class Drawing {
  constructor(place) {
    this.place = place;
    this.view = null;
    this.shape = "";
  }

  async draw(definition) {
    const { vega, vegaLite, expressionInterpreter } = await loadVega();
    const { datasets, ...rest } = definition;
    const shape = JSON.stringify(rest);
    if (this.view !== null && shape === this.shape) {
      for (const [name, rows] of Object.entries(datasets ?? {})) this.put(vega, name, rows);
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
    const fresh = document.createElement("div");
    await view.initialize(fresh).runAsync();
    this.close();
    this.place.replaceChildren(fresh);
    [this.view, this.shape] = [view, shape];
  }

  put(vega, name, rows) {
    try {
      this.view.data(name, rows);
    } catch {
      // A data set that no mark uses was left out when the definition was compiled.
    }
  }

  close() {
    hideTooltip();
    this.view?.finalize();
    this.view = null;
    this.shape = "";
  }
}
