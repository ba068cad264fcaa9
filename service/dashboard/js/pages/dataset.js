/** A stored data set: its contents, and a link that trains on it. */

import { announce } from "../announce.js";
import { get, isAborted, remove } from "../api.js";
import { askToConfirm } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { ago, bytes } from "../format.js";
import { go } from "../navigation.js";
import { contents, summary } from "../dataset/contents.js";
import { likelyTarget, targetsOf } from "../dataset/starter.js";

export function page({ params, signal }) {
  const element = h(
    "div",
    { class: "page" },
    h("h1", {}, "Data set"),
    h("p", { class: "note" }, "Loading…"),
  );
  load(element, params.id, signal);
  return { title: "Data set", element };
}

async function load(element, id, signal) {
  try {
    const dataset = await get(`/datasets/${encodeURIComponent(id)}`, { signal });
    document.title = `${dataset.name} · Ridgeline`;
    const focused = element.contains(document.activeElement);
    replace(element, ...rendered(dataset));
    if (!focused) return;
    const heading = element.querySelector("h1");
    heading.setAttribute("tabindex", "-1");
    heading.focus({ preventScroll: true });
  } catch (error) {
    if (!isAborted(error))
      replace(
        element,
        h(
          "h1",
          {},
          error.status === 404 ? "Data set not found" : "The data set could not be loaded",
        ),
        h("p", {}, error.message),
        h("p", {}, h("a", { href: "/ui/datasets" }, "All data sets")),
      );
  }
}

function rendered(dataset) {
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const train = h(
    "a",
    { class: "button primary", href: trainAddress(dataset, likelyTarget(dataset)) },
    "Train on this data set",
  );
  const target = targetsOf(dataset).length > 0 ? targetField(dataset, train) : null;
  const deleteButton = h(
    "button",
    { class: "button", type: "button", onclick: () => confirmAndDelete(dataset, fault) },
    "Delete",
  );
  return [
    h(
      "div",
      { class: "headline" },
      h("h1", {}, dataset.name),
      h(
        "div",
        { class: "buttons" },
        h(
          "a",
          { class: "button", href: `/datasets/${dataset.id}/content`, download: dataset.name },
          "Download",
        ),
        deleteButton,
      ),
    ),
    h(
      "p",
      { class: "subline" },
      h("code", {}, dataset.id),
      h("span", {}, dataset.format),
      h("span", {}, bytes(dataset.bytes)),
      h("span", {}, summary(dataset)),
      h("span", {}, `added ${ago(dataset.created_at)}`),
      h("code", { title: `SHA-256 ${dataset.sha256}` }, dataset.sha256.slice(0, 12)),
    ),
    fault,
    h("div", { class: "train-on" }, target, train),
    contents(dataset),
  ];
}

function targetField(dataset, train) {
  const select = h(
    "select",
    { id: "target", onchange: () => (train.href = trainAddress(dataset, select.value)) },
    targetsOf(dataset).map((name) => h("option", { value: name }, name)),
  );
  select.value = likelyTarget(dataset);
  return h("div", { class: "field" }, h("label", { for: "target" }, "Target to predict"), select);
}

function trainAddress({ id }, target) {
  const parameters = new URLSearchParams({ dataset: id, ...(target === null ? {} : { target }) });
  return `/ui/new?${parameters}`;
}

async function confirmAndDelete(dataset, fault) {
  const question = {
    title: "Delete this data set?",
    text: "Jobs that trained on it keep their models and reports.",
    confirmLabel: "Delete permanently",
  };
  if (!(await askToConfirm(question))) return;
  try {
    await remove(`/datasets/${dataset.id}`);
    announce("Data set deleted.");
    go("/ui/datasets");
  } catch (error) {
    setText(fault, error.message);
    fault.hidden = false;
  }
}
