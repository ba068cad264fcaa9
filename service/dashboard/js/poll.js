/** Repeats a request while the page is visible. */

/** Call `load` now and `seconds()` after each call ends; pause while the page is hidden. */
export function pollWhileVisible(load, seconds, signal) {
  let timer = null;

  async function run() {
    timer = null;
    await load();
    if (!signal.aborted && !document.hidden) timer = setTimeout(run, 1000 * seconds());
  }

  function onVisibilityChange() {
    if (!document.hidden && timer === null) run();
  }

  document.addEventListener("visibilitychange", onVisibilityChange, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  run();
}
