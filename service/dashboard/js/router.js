/** Shows the page for the current address and moves focus as a browser does on a new page. */

import { alertUser, announce } from "./announce.js";
import { h, replace } from "./dom.js";
import { go, NAVIGATED } from "./navigation.js";

const PAGES = [
  [/^\/$/, "jobs", () => import("./pages/jobs.js")],
  [/^\/ui\/jobs\/(?<id>[^/]+)$/, "job", () => import("./pages/job.js")],
  [/^\/ui\/new$/, "new", () => import("./pages/new.js")],
  [/^\/ui\/compare$/, "compare", () => import("./pages/compare.js")],
  [/^\/ui\/datasets$/, "datasets", () => import("./pages/datasets.js")],
  [/^\/ui\/datasets\/(?<id>[^/]+)$/, "datasets", () => import("./pages/dataset.js")],
];

let currentPage = new AbortController();

/** Show the page for the current address, and for every later one. */
export function start() {
  document.addEventListener("click", followLink);
  for (const type of ["popstate", NAVIGATED])
    addEventListener(type, () => show({ navigated: true }));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  return show({ navigated: false });
}

async function show({ navigated }) {
  currentPage.abort();
  currentPage = new AbortController();
  const { signal } = currentPage;
  const { name, params, load } = pageAt(location.pathname);
  markCurrent(name);
  const main = document.getElementById("main");
  try {
    const module = await load();
    if (signal.aborted) return;
    const page = module.page({ params, query: new URLSearchParams(location.search), signal });
    document.title = `${page.title} · Ridgeline`;
    replace(main, page.element);
  } catch (error) {
    document.title = "Ridgeline";
    replace(main, errorPage(error));
    alertUser("The page could not be loaded.");
    return;
  }
  if (!navigated) return;
  scrollTo(0, 0);
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  announce(document.title);
}

function pageAt(path) {
  for (const [pattern, name, load] of PAGES) {
    const match = pattern.exec(path);
    if (match) return { name, params: match.groups ?? {}, load };
  }
  return { name: "", params: {}, load: () => import("./pages/missing.js") };
}

function markCurrent(name) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function followLink(event) {
  const link = event.target.closest?.("a[href]");
  const plainClick =
    event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (
    !link ||
    !plainClick ||
    event.defaultPrevented ||
    link.hasAttribute("download") ||
    link.target
  )
    return;
  const url = new URL(link.href);
  const isDashboard = url.pathname === "/" || url.pathname.startsWith("/ui/");
  if (url.origin !== location.origin || !isDashboard || url.hash) return;
  event.preventDefault();
  go(url.pathname + url.search);
}

function errorPage(error) {
  return h(
    "div",
    { class: "page" },
    h("h1", {}, "This page could not be loaded"),
    h("p", {}, String(error.message)),
    h("p", {}, h("button", { class: "button", onclick: () => location.reload() }, "Reload")),
  );
}
