/** The color theme, light or dark: the system's or the user's choice. */

const STORAGE_KEY = "ridgeline.theme";
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** The theme in effect: `light` or `dark`. */
export function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (systemDark.matches ? "dark" : "light");
}

/** Call `listener` whenever the theme changes, until the signal aborts. */
export function onThemeChange(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** Let a select element choose the theme. */
export function bindTheme(select) {
  select.value = document.documentElement.dataset.theme ?? "system";
  select.addEventListener("change", () => {
    choose(select.value);
    notify();
  });
  systemDark.addEventListener("change", notify);
}

function choose(value) {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem(STORAGE_KEY, value);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
}

function notify() {
  for (const listener of listeners) listener(theme());
}
