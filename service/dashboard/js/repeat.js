/** Asks again and again while somebody looks. */

/** Call `ask` now and `seconds()` after each answer, but not while the page is hidden. */
export function repeat(ask, seconds, signal) {
  let timer = null;

  async function turn() {
    timer = null;
    await ask();
    if (!signal.aborted && !document.hidden) timer = setTimeout(turn, 1000 * seconds());
  }

  function seen() {
    if (!document.hidden && timer === null) turn();
  }

  document.addEventListener("visibilitychange", seen, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
}
