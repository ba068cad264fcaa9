/** One setting as a labelled control; the JSON and the control follow each other. */

import { h, replace, say, uniqueId } from "../dom.js";
import { readField } from "./fields.js";

/**
 * A control of a field. `onChange(value)` gets what the user enters, undefined for nothing;
 * `show(spec)` shows what a spec says, `fault(text)` what is wrong with it.
 */
export function control(field, onChange) {
  const id = uniqueId("field");
  const made = MAKERS[field.kind](field, id, onChange);
  const hint = field.hint ? h("small", { id: `${id}-hint`, class: "hint" }, field.hint) : null;
  const fault = h("small", { id: `${id}-fault`, class: "field-fault", hidden: true });
  const element = h("div", { class: `field ${field.kind}` }, made.parts, hint, fault);
  describe(null);

  function describe(text) {
    const ids = [hint && hint.id, text && fault.id].filter(Boolean).join(" ");
    for (const input of made.inputs) {
      if (ids) input.setAttribute("aria-describedby", ids);
      else input.removeAttribute("aria-describedby");
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }

  return {
    element,
    field,
    focus: () => made.inputs[0].focus(),
    options: made.options ?? (() => {}),
    show(spec) {
      element.hidden = field.needs ? !field.needs(spec) : false;
      made.show(readField(field, spec));
    },
    fault(text) {
      fault.hidden = text === null;
      say(fault, text ?? "");
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
  const usual = field.placeholder ?? (field.usual === undefined ? null : String(field.usual));
  const input = h("input", {
    id,
    type: "number",
    inputmode: "decimal",
    step: field.step,
    min: field.min,
    max: field.max,
    placeholder: usual,
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
      // What is being typed stays as it is: "0.0" on the way to "0.01" is no 0.
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
      input.checked = Boolean(value ?? field.usual);
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
      const chosen = new Set(Array.isArray(value) ? value : field.usual);
      for (const box of boxes) box.checked = chosen.has(box.value);
    },
  };
}

function selectControl(field, id, onChange) {
  const select = h("select", { id, onchange: () => onChange(select.value) });
  const known = Array.isArray(field.options) ? field.options : [];
  let current;
  options(known);

  function options(found) {
    replace(select, found.map(choice));
    put(current);
  }

  function put(value) {
    current = value;
    const wanted = value ?? field.usual;
    if (wanted === undefined) {
      select.selectedIndex = -1;
      return;
    }
    const has = [...select.options].some((option) => option.value === String(wanted));
    if (!has) select.append(h("option", { value: wanted }, wanted));
    select.value = String(wanted);
  }

  return {
    inputs: [select],
    parts: [h("label", { for: id }, field.label), select],
    options,
    show: put,
  };
}

/** `[value, label]`, or `[label, [[value, label], …]]` for a group. */
function choice([value, label]) {
  if (Array.isArray(label)) return h("optgroup", { label: value }, label.map(choice));
  return h("option", { value }, label);
}
