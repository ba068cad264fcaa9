// Runs before the first paint, so that the page never flashes in the wrong theme.
(() => {
  let chosen = "system";
  try {
    chosen = localStorage.getItem("ridgeline.theme") ?? "system";
  } catch {
    // The browser may forbid storage: use the system theme.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
