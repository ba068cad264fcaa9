/** The weights after training: norms, zeros and idle units. */

import { h, s } from "../dom.js";
import { count, number, percent } from "../format.js";

const WIDTH = 96;
const HEIGHT = 22;

/** The report's weights as a table. */
export function weightTable(report) {
  const headers = ["Weight", "Shape", "Distribution"];
  const figures = ["‖w‖₂", "Nearly zero", "Exactly zero", "Idle units"];
  return [
    h("h2", { id: "weights-title" }, "Weights"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "weights-title" },
      h(
        "table",
        { class: "weights" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            headers.map((label) => h("th", { scope: "col" }, label)),
            figures.map((label) => h("th", { scope: "col", class: "figure" }, label)),
          ),
        ),
        h("tbody", {}, report.weights.map(row)),
      ),
    ),
  ];
}

function row(weight) {
  const idle =
    weight.units === null ? "–" : `${count(weight.negligible_units)} of ${count(weight.units)}`;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, `${weight.layer}/${weight.name}`),
    h("td", {}, weight.shape.join("×")),
    h("td", {}, weight.histogram ? histogram(weight.histogram) : "–"),
    h("td", { class: "figure" }, number(weight.l2_norm)),
    h("td", { class: "figure" }, percent(weight.nearly_zero_share)),
    h("td", { class: "figure" }, percent(weight.zero_share)),
    h("td", { class: "figure" }, idle),
  );
}

function histogram({ edges, counts }) {
  const largest = Math.max(...counts, 1);
  const step = WIDTH / counts.length;
  const [low, high] = [edges[0], edges.at(-1)];
  const zero = low < 0 && high > 0 ? ((0 - low) / (high - low)) * WIDTH : null;
  return s(
    "svg",
    {
      class: "histogram",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `From ${number(low)} to ${number(high)}`,
    },
    zero === null ? null : s("path", { class: "zero", d: `M${zero} 0 V${HEIGHT}` }),
    counts.map((amount, index) =>
      s("rect", {
        x: index * step,
        y: HEIGHT - (amount / largest) * HEIGHT,
        width: Math.max(step - 0.4, 0.4),
        height: (amount / largest) * HEIGHT,
      }),
    ),
  );
}
