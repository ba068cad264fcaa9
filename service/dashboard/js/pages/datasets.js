/** The stored data sets, and a panel to upload more. */

import { get, isAborted } from "../api.js";
import { h, replace, setText } from "../dom.js";
import { ago, bytes, localTime } from "../format.js";
import { go } from "../navigation.js";
import { summary } from "../dataset/contents.js";
import { uploadPanel } from "../upload/panel.js";

const PAGE_SIZE = 50;

export function page({ query, signal }) {
  const body = h("tbody", {});
  const state = h("p", { class: "note" }, "Loading…");
  const headers = ["Name", "Contents", "Format", "Size", "Added"].map((label) =>
    h("th", { scope: "col", class: label === "Size" ? "figure" : null }, label),
  );
  const table = h(
    "table",
    { class: "datasets", hidden: true },
    h("caption", { class: "visually-hidden" }, "Stored data sets, newest first"),
    h("thead", {}, h("tr", {}, headers)),
    body,
  );
  const older = h("a", { href: "#", rel: "next", hidden: true }, "Older data sets");
  const panel = uploadPanel({ signal, onStored });

  function onStored({ id }, isOnly) {
    if (isOnly) go(`/ui/datasets/${id}`);
    else load();
  }

  async function load() {
    const after = query.get("after");
    try {
      const { items, next } = await get(
        `/datasets?limit=${PAGE_SIZE}${after ? `&after=${encodeURIComponent(after)}` : ""}`,
        { signal },
      );
      replace(body, items.map(row));
      table.hidden = items.length === 0;
      state.hidden = items.length > 0;
      setText(state, "No stored data sets yet. Built-in and Keras data sets need no upload.");
      older.hidden = next === null;
      if (next !== null) older.href = `/ui/datasets?after=${encodeURIComponent(next)}`;
    } catch (error) {
      if (!isAborted(error)) setText(state, error.message);
    }
  }

  load();
  const element = h(
    "div",
    { class: "page" },
    h("h1", {}, "Data sets"),
    panel,
    state,
    h("div", { class: "scroll" }, table),
    h("nav", { class: "pager", "aria-label": "Pages of data sets" }, older),
  );
  return { title: "Data sets", element };
}

function row(dataset) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `/ui/datasets/${dataset.id}` }, dataset.name)),
    h("td", {}, summary(dataset)),
    h("td", {}, dataset.format),
    h("td", { class: "figure" }, bytes(dataset.bytes)),
    h(
      "td",
      {},
      h(
        "time",
        { datetime: dataset.created_at, title: localTime(dataset.created_at) },
        ago(dataset.created_at),
      ),
    ),
  );
}
