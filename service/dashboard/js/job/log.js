/** The job's log, loaded when it is opened. */

import { get, isAborted } from "../api.js";
import { h, setText } from "../dom.js";

const PAGE_SIZE = 500;

export function jobLog(id, signal) {
  const lines = h("ol", { class: "log" });
  const box = h(
    "div",
    { class: "log-box", tabindex: "0", role: "region", "aria-label": "Log lines" },
    lines,
  );
  const state = h("p", { class: "quiet" });
  const level = h(
    "select",
    { onchange: () => reload() },
    ["info", "debug", "warning", "error"].map((name) => h("option", { value: name }, name)),
  );
  const json = h(
    "a",
    { href: `/jobs/${id}/logs?limit=1000`, target: "_blank", rel: "noopener" },
    "View as JSON",
  );
  const details = h(
    "details",
    { class: "log-part", ontoggle: () => details.open && load() },
    h("summary", {}, h("h2", { id: "log-title" }, "Log")),
    h("p", { class: "toolbar" }, h("label", { class: "inline" }, "Minimum level ", level), json),
    state,
    box,
  );
  const element = h("section", { "aria-labelledby": "log-title" }, details);
  let lastId = 0;
  let loading = false;

  function reload() {
    lastId = 0;
    lines.replaceChildren();
    load();
  }

  async function load() {
    if (loading) return;
    loading = true;
    try {
      let more = true;
      while (more) {
        const page = await get(
          `/jobs/${id}/logs?after=${lastId}&limit=${PAGE_SIZE}&level=${level.value}`,
          { signal },
        );
        lines.append(...page.items.map(line));
        lastId = page.items.at(-1)?.id ?? lastId;
        more = page.next !== null;
      }
      setText(state, lines.children.length === 0 ? "No log lines at this level yet." : "");
    } catch (error) {
      if (!isAborted(error)) setText(state, error.message);
    } finally {
      loading = false;
    }
  }

  let shownState = "";
  return {
    element,
    update(job) {
      const current = `${job.status} ${job.attempt}`;
      if (current !== shownState && details.open) load();
      shownState = current;
    },
  };
}

function line({ at, level, source, event, fields }) {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return h(
    "li",
    { class: level },
    h("time", { datetime: at }, at.slice(11, 23)),
    h("span", { class: "level" }, level),
    h("span", { class: "source" }, source),
    h("span", { class: "event" }, [event, ...rest].join(" ")),
  );
}
