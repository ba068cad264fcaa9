// Runs before anything is painted, so that no page flashes in the other colours.
(() => {
  let chosen = "system";
  try {
    chosen = localStorage.getItem("ridgeline.theme") ?? "system";
  } catch {
    // A browser may forbid storage: then the system's colours it is.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
