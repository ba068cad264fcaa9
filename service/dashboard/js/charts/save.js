/** A chart as files, beside it. */

import { request } from "../api.js";
import { alertUser } from "../announce.js";
import { h } from "../dom.js";

/** A line of buttons, each of `[label, file, address(), media type]`. */
export function saveLine(files) {
  const button = ([label, file, address, type]) =>
    h(
      "button",
      {
        type: "button",
        class: "textual",
        "aria-label": `${file}, save`,
        onclick: () => save(file, address(), type),
      },
      label,
    );
  return h(
    "figcaption",
    {},
    "Save as ",
    files.map((each) => [button(each), " "]),
  );
}

/** Fetch what is to be a file: which representation it is depends on Accept, which no link can say. */
async function save(file, address, type) {
  try {
    const answer = await request("GET", address, { headers: { Accept: type } });
    const url = URL.createObjectURL(await answer.blob());
    h("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  } catch (error) {
    alertUser(`${file} could not be saved: ${error.message}`);
  }
}
