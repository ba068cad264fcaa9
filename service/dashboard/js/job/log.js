/** The job's log, read when it is opened. */

import { get, left } from "../api.js";
import { h, say } from "../dom.js";

const LINES = 500;

export function jobLog(id, signal) {
  const lines = h("ol", { class: "log" });
  const box = h(
    "div",
    { class: "log-box", tabindex: "0", role: "region", "aria-label": "Lines of the log" },
    lines,
  );
  const state = h("p", { class: "quiet" });
  const level = h(
    "select",
    { onchange: () => again() },
    ["info", "debug", "warning", "error"].map((name) => h("option", { value: name }, name)),
  );
  const plain = h(
    "a",
    { href: `/jobs/${id}/logs?limit=1000`, target: "_blank", rel: "noopener" },
    "as JSON",
  );
  const details = h(
    "details",
    { class: "log-part", ontoggle: () => details.open && load() },
    h("summary", {}, h("h2", { id: "log-title" }, "Log")),
    h("p", { class: "toolbar" }, h("label", { class: "inline" }, "From level ", level), plain),
    state,
    box,
  );
  const element = h("section", { "aria-labelledby": "log-title" }, details);
  let after = 0;
  let loading = false;

  function again() {
    after = 0;
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
          `/jobs/${id}/logs?after=${after}&limit=${LINES}&level=${level.value}`,
          { signal },
        );
        lines.append(...page.items.map(line));
        after = page.items.at(-1)?.id ?? after;
        more = page.next !== null;
      }
      say(state, lines.children.length === 0 ? "Nothing was logged yet." : "");
    } catch (error) {
      if (!left(error)) say(state, error.message);
    } finally {
      loading = false;
    }
  }

  let version = "";
  return {
    element,
    update(job) {
      const now = `${job.status} ${job.attempt}`;
      if (now !== version && details.open) load();
      version = now;
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
