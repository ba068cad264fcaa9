/** A setting as a labeled control, kept in sync with the JSON spec. */

import { h, replace, setText, uniqueId } from "../dom.js";
import { readField } from "./fields.js";

/**
 * The control of a field. `onChange(value)` receives the user's input, undefined if empty;
 * `show(spec)` displays the spec's value, `showFault(text)` an error, null for none.
 */
export function control(field, onChange) {
  const id = uniqueId("field");
  const input = MAKERS[field.kind](field, id, onChange);
  const hint = field.hint ? h("small", { id: `${id}-hint`, class: "hint" }, field.hint) : null;
  const fault = h("small", { id: `${id}-fault`, class: "field-fault", hidden: true });
  const element = h("div", { class: `field ${field.kind}` }, input.parts, hint, fault);
  describe(null);

  function describe(text) {
    const ids = [hint && hint.id, text && fault.id].filter(Boolean).join(" ");
    for (const node of input.inputs) {
      if (ids) node.setAttribute("aria-describedby", ids);
      else node.removeAttribute("aria-describedby");
      if (text) node.setAttribute("aria-invalid", "true");
      else node.removeAttribute("aria-invalid");
    }
  }

  return {
    element,
    field,
    setOptions: input.setOptions ?? (() => {}),
    show(spec) {
      element.hidden = field.visibleIf ? !field.visibleIf(spec) : false;
      input.show(readField(field, spec));
    },
    showFault(text) {
      fault.hidden = text === null;
      setText(fault, text ?? "");
      describe(text);
    },
  };
}

const MAKERS = {
  number: numberControl,
  text: textControl,
  words: wordsControl,
  check: checkControl,
  checks: checksControl,
  select: selectControl,
};

function numberControl(field, id, onChange) {
  const placeholder =
    field.placeholder ?? (field.default === undefined ? null : String(field.default));
  const input = h("input", {
    id,
    type: "number",
    inputmode: "decimal",
    step: field.step,
    min: field.min,
    max: field.max,
    placeholder,
    oninput: changed,
  });

  function changed() {
    if (input.validity.badInput) return;
    onChange(input.value === "" ? undefined : Number(input.value));
  }

  return {
    inputs: [input],
    parts: [h("label", { for: id }, field.label), input],
    show(value) {
      // Keep a number that is still being typed: "0.0" on the way to "0.01" must not become 0.
      const shown = typeof value === "number" ? value : undefined;
      const typed = input.value === "" ? undefined : Number(input.value);
      if (typed !== shown && !input.validity.badInput)
        input.value = shown === undefined ? "" : String(shown);
    },
  };
}

function textControl(field, id, onChange) {
  const input = h("input", {
    id,
    type: "text",
    autocomplete: "off",
    maxlength: 200,
    placeholder: field.placeholder,
    oninput: () => onChange(input.value === "" ? undefined : input.value),
  });
  return {
    inputs: [input],
    parts: [h("label", { for: id }, field.label), input],
    show(value) {
      const shown = typeof value === "string" ? value : "";
      if (input.value !== shown) input.value = shown;
    },
  };
}

function wordsControl(field, id, onChange) {
  const words = () => [
    ...new Set(
      input.value
        .split(",")
        .map((word) => word.trim())
        .filter(Boolean),
    ),
  ];
  const input = h("input", {
    id,
    type: "text",
    autocomplete: "off",
    placeholder: field.placeholder,
    oninput: () => onChange(words().length > 0 ? words() : undefined),
  });
  return {
    inputs: [input],
    parts: [h("label", { for: id }, field.label), input],
    show(value) {
      const shown = Array.isArray(value) ? value.map(String) : [];
      if (words().join("\n") !== shown.join("\n")) input.value = shown.join(", ");
    },
  };
}

function checkControl(field, id, onChange) {
  const input = h("input", { id, type: "checkbox", onchange: () => onChange(input.checked) });
  return {
    inputs: [input],
    parts: [h("label", { for: id, class: "checked" }, input, h("span", {}, field.label))],
    show(value) {
      input.checked = Boolean(value ?? field.default);
    },
  };
}

function checksControl(field, id, onChange) {
  const boxes = field.options.map(([value]) =>
    h("input", { type: "checkbox", value, onchange: changed }),
  );

  function changed() {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    onChange(chosen.length > 0 ? chosen : undefined);
  }

  const labels = field.options.map(([, label], index) =>
    h("label", { class: "checked" }, boxes[index], h("span", {}, label)),
  );
  return {
    inputs: boxes,
    parts: [
      h("fieldset", { id }, h("legend", {}, field.label), h("div", { class: "row" }, labels)),
    ],
    show(value) {
      const chosen = new Set(Array.isArray(value) ? value : field.default);
      for (const box of boxes) box.checked = chosen.has(box.value);
    },
  };
}

function selectControl(field, id, onChange) {
  const select = h("select", { id, onchange: () => onChange(select.value) });
  let current;
  setOptions(Array.isArray(field.options) ? field.options : []);

  function setOptions(options) {
    replace(select, options.map(optionElement));
    show(current);
  }

  function show(value) {
    current = value;
    const selected = value ?? field.default;
    if (selected === undefined) {
      select.selectedIndex = -1;
      return;
    }
    const listed = [...select.options].some((option) => option.value === String(selected));
    if (!listed) select.append(h("option", { value: selected }, selected));
    select.value = String(selected);
  }

  return {
    inputs: [select],
    parts: [h("label", { for: id }, field.label), select],
    setOptions,
    show,
  };
}

/** An option from `[value, label]`, or a group from `[label, [[value, label], …]]`. */
function optionElement([value, label]) {
  if (Array.isArray(label)) return h("optgroup", { label: value }, label.map(optionElement));
  return h("option", { value }, label);
}
