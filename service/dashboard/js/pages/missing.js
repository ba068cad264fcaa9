/** The page for unknown addresses. */

import { h } from "../dom.js";

export function page() {
  const element = h(
    "div",
    { class: "page" },
    h("h1", {}, "Page not found"),
    h("p", {}, h("a", { href: "/" }, "All jobs")),
  );
  return { title: "Not found", element };
}
