/** There is nothing at this address. */

import { h } from "../dom.js";

export function page() {
  const element = h(
    "div",
    { class: "page" },
    h("h1", {}, "There is no such page"),
    h("p", {}, h("a", { href: "/" }, "All jobs")),
  );
  return { title: "Not found", element };
}
