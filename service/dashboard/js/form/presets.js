/** Form fields for a preset's parameters. */

/** The fields of a preset from GET /presets. */
export function presetFields({ parameters }) {
  return parameters.map(({ name, default: value, description, json_schema: schema }) => {
    const pointer = `/model/${name}`;
    const label = name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
    const common = {
      label,
      pointer,
      default: value,
      hint: description.split("\n")[0] || undefined,
    };
    const types = schema.anyOf ?? [schema];
    const numeric = types.find(({ type }) => type === "integer" || type === "number");
    if (numeric)
      return {
        ...common,
        kind: "number",
        step: numeric.type === "integer" ? 1 : "any",
        min: numeric.minimum,
        max: numeric.maximum,
      };
    if (types.some(({ type }) => type === "boolean")) return { ...common, kind: "check" };
    if (schema.enum)
      return { ...common, kind: "select", options: schema.enum.map((option) => [option, option]) };
    return { ...common, kind: "text" };
  });
}
