/** One data set: what is in it, and the way to train on it. */

import { announce } from "../announce.js";
import { get, left, remove } from "../api.js";
import { confirmed } from "../dialog.js";
import { h, replace, say } from "../dom.js";
import { ago, bytes } from "../format.js";
import { go } from "../navigation.js";
import { contents, summary } from "../upload/contents.js";
import { likelyTarget, targetsOf } from "../upload/starter.js";

export function page({ params, signal }) {
  const element = h(
    "div",
    { class: "page" },
    h("h1", {}, "Data set"),
    h("p", { class: "note" }, "Loading…"),
  );
  open(element, params.id, signal);
  return { title: "Data set", element };
}

async function open(element, id, signal) {
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
    if (!left(error))
      replace(
        element,
        h(
          "h1",
          {},
          error.status === 404 ? "There is no such data set" : "The data set could not be read",
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
    "Train on it",
  );
  const target = targetsOf(dataset).length > 0 ? targetField(dataset, train) : null;
  const drop = h(
    "button",
    { class: "button", type: "button", onclick: () => dropped(dataset, fault) },
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
        drop,
      ),
    ),
    h(
      "p",
      { class: "subline" },
      h("code", {}, dataset.id),
      h("span", {}, dataset.format),
      h("span", {}, bytes(dataset.bytes)),
      h("span", {}, summary(dataset)),
      h("span", {}, `uploaded ${ago(dataset.created_at)}`),
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
  return h(
    "div",
    { class: "field" },
    h("label", { for: "target" }, "What is to be predicted"),
    select,
  );
}

function trainAddress({ id }, target) {
  const parameters = new URLSearchParams({ dataset: id, ...(target === null ? {} : { target }) });
  return `/ui/new?${parameters}`;
}

async function dropped(dataset, fault) {
  const question = {
    title: "Delete this data set?",
    text: "Jobs that have trained on it keep their models and reports.",
    yes: "Delete for good",
  };
  if (!(await confirmed(question))) return;
  try {
    await remove(`/datasets/${dataset.id}`);
    announce("The data set is deleted.");
    go("/ui/datasets");
  } catch (error) {
    say(fault, error.message);
    fault.hidden = false;
  }
}
