/** Buttons that save a chart as files. */

import { request } from "../api.js";
import { alertUser } from "../announce.js";
import { h } from "../dom.js";

/** A line of buttons from entries `[label, file, address(), media type]`. */
export function saveLine(files) {
  const button = ([label, file, address, type]) =>
    h(
      "button",
      {
        type: "button",
        class: "textual",
        "aria-label": `Save ${file}`,
        onclick: () => save(file, address(), type),
      },
      label,
    );
  return h(
    "figcaption",
    {},
    "Save as ",
    files.map((entry) => [button(entry), " "]),
  );
}

/** Fetch and save a file: a link cannot set Accept, which selects the representation. */
async function save(file, address, type) {
  try {
    const response = await request("GET", address, { headers: { Accept: type } });
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  } catch (error) {
    alertUser(`${file} could not be saved: ${error.message}`);
  }
}
