/** A preset's parameters as fields of the form. */

/** The fields of a preset, as GET /presets describes it. */
export function presetFields({ parameters }) {
  return parameters.map(({ name, default: usual, description, json_schema: schema }) => {
    const pointer = `/model/${name}`;
    const label = name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
    const common = { label, pointer, usual, hint: description.split("\n")[0] || undefined };
    const kinds = schema.anyOf ?? [schema];
    const numeric = kinds.find((each) => each.type === "integer" || each.type === "number");
    if (numeric)
      return {
        ...common,
        kind: "number",
        step: numeric.type === "integer" ? 1 : "any",
        min: numeric.minimum,
        max: numeric.maximum,
      };
    if (kinds.some((each) => each.type === "boolean")) return { ...common, kind: "check" };
    if (schema.enum)
      return { ...common, kind: "select", options: schema.enum.map((each) => [each, each]) };
    return { ...common, kind: "text" };
  });
}
