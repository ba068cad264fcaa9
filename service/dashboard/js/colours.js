/** Light or dark: as the system has it, or as the user chose. */

const KEY = "ridgeline.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** `light` or `dark`, as the page is now. */
export function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (dark.matches ? "dark" : "light");
}

/** Call `listener` whenever the colours change, until the signal. */
export function onThemeChange(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** Let a select element choose the colours. */
export function bindTheme(select) {
  select.value = document.documentElement.dataset.theme ?? "system";
  select.addEventListener("change", () => {
    choose(select.value);
    tell();
  });
  dark.addEventListener("change", tell);
}

function choose(value) {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

function tell() {
  for (const listener of listeners) listener(theme());
}
