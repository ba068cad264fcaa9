/** The settings that have form controls, with their pointers into the spec. */

import { valueAt, withValue } from "./pointer.js";

const DEFAULT_PATIENCE = 5;

/** A name that is shorthand for an object: `"adam"` means `{"name": "adam"}`. */
function namedObject(pointer, keptMembers = []) {
  return {
    read(spec) {
      const value = valueAt(spec, pointer);
      return typeof value === "string" ? value : value?.name;
    },
    write(spec, name) {
      const before = valueAt(spec, pointer);
      const members = keptMembers
        .filter((member) => before?.[member] !== undefined)
        .map((member) => [member, before[member]]);
      return withValue(
        spec,
        pointer,
        members.length > 0 ? { name, ...Object.fromEntries(members) } : name,
      );
    },
  };
}

/** A member of an object that may be written as a name alone. */
function memberOfNamed(pointer, member) {
  return {
    read: (spec) => valueAt(spec, `${pointer}/${member}`),
    write(spec, value) {
      const holder = valueAt(spec, pointer);
      const expanded =
        typeof holder === "string" ? withValue(spec, pointer, { name: holder }) : spec;
      const ready =
        value !== undefined && valueAt(expanded, pointer) === undefined
          ? withValue(expanded, pointer, { name: "adam" })
          : expanded;
      return withValue(ready, `${pointer}/${member}`, value);
    },
  };
}

/** λ of a weight penalty; clearing the last λ removes the section with its scaling. */
function strength(kind) {
  const pointer = `/regularization/weights/${kind}`;
  const other = `/regularization/weights/${kind === "l1" ? "l2" : "l1"}`;
  return {
    read: (spec) => valueAt(spec, pointer),
    write(spec, value) {
      const isLast = value === undefined && valueAt(spec, other) === undefined;
      return isLast
        ? withValue(spec, "/regularization/weights", undefined)
        : withValue(spec, pointer, value);
    },
  };
}

/** A checkbox that adds a section with default content or removes it. */
function section(pointer, content) {
  return {
    read: (spec) => Boolean(valueAt(spec, pointer)),
    write: (spec, on) => withValue(spec, pointer, on ? content : undefined),
  };
}

const hasPenalty = (spec) => valueAt(spec, "/regularization/weights") != null;
const hasDropout = (spec) => valueAt(spec, "/regularization/dropout") != null;
const stopsEarly = (spec) => valueAt(spec, "/training/early_stopping") != null;
const isTextbook = (spec) => valueAt(spec, "/regularization/weights/scaling") === "textbook";
const penalizesL1 = (spec) => valueAt(spec, "/regularization/weights/l1") !== undefined;

const number = { kind: "number", step: "any", min: 0 };
const positiveInteger = { kind: "number", step: 1, min: 1 };

/** Groups of fields; `options` is a list, or the name of a list from `choices`. */
export const GROUPS = [
  {
    title: "Regularization",
    fields: [
      {
        ...number,
        label: "L2 (λ)",
        pointer: "/regularization/weights/l2",
        hint: "on every kernel; typically 0.0001 to 0.01",
        placeholder: "none",
        ...strength("l2"),
      },
      {
        ...number,
        label: "L1 (λ)",
        pointer: "/regularization/weights/l1",
        hint: "on every kernel; favors zeros",
        placeholder: "none",
        ...strength("l1"),
      },
      {
        kind: "select",
        label: "Penalty scaling",
        pointer: "/regularization/weights/scaling",
        options: [
          ["keras", "Keras: λ·Σw²"],
          ["textbook", "Textbook: λ/(2n)·Σw²"],
        ],
        default: "keras",
        visibleIf: hasPenalty,
      },
      {
        kind: "select",
        label: "Value of n",
        pointer: "/regularization/weights/n",
        options: [
          ["batch", "batch size"],
          ["rows", "number of training rows"],
        ],
        default: "batch",
        visibleIf: isTextbook,
      },
      {
        kind: "select",
        label: "L1 method",
        pointer: "/regularization/weights/l1_mode",
        options: [
          ["penalty", "gradient, as in Keras"],
          ["proximal", "soft threshold (exact zeros)"],
        ],
        default: "penalty",
        visibleIf: penalizesL1,
      },
      {
        kind: "number",
        step: 0.05,
        min: 0,
        max: 0.95,
        label: "Dropout rate",
        pointer: "/regularization/dropout/rate",
        hint: "start at 0.3; raise to 0.5 if it overfits",
        placeholder: "none",
        ...dropoutRate(),
      },
      {
        kind: "checks",
        label: "Dropout after",
        pointer: "/regularization/dropout/after",
        options: [
          ["dense", "dense"],
          ["pooling", "pooling"],
          ["conv", "convolution"],
        ],
        default: ["dense"],
        visibleIf: hasDropout,
      },
      {
        kind: "check",
        label: "Raise the rate on overfitting (to at most 0.5)",
        pointer: "/regularization/dropout/raise_on_overfit",
        visibleIf: hasDropout,
        ...section("/regularization/dropout/raise_on_overfit", { to: 0.5 }),
      },
      {
        ...number,
        label: "Max norm per unit",
        pointer: "/regularization/constraint",
        hint: "typically 3 with dropout",
        placeholder: "none",
        ...maxNorm(),
      },
      {
        ...number,
        label: "Weight decay",
        pointer: "/training/optimizer/weight_decay",
        hint: "decoupled, as in AdamW; excludes biases",
        placeholder: "none",
        ...memberOfNamed("/training/optimizer", "weight_decay"),
      },
    ],
  },
  {
    title: "Stopping",
    fields: [
      {
        ...positiveInteger,
        label: "Epochs",
        pointer: "/training/epochs",
        default: 10,
        max: 100_000,
      },
      {
        kind: "check",
        label: "Stop early on validation data loss",
        pointer: "/training/early_stopping",
        ...section("/training/early_stopping", {
          patience: DEFAULT_PATIENCE,
          restore_best_weights: true,
        }),
      },
      {
        kind: "number",
        step: 1,
        min: 0,
        label: "Patience (epochs)",
        pointer: "/training/early_stopping/patience",
        default: 0,
        visibleIf: stopsEarly,
      },
      {
        kind: "check",
        label: "Restore the best epoch's weights",
        pointer: "/training/early_stopping/restore_best_weights",
        default: false,
        visibleIf: stopsEarly,
      },
    ],
  },
  {
    title: "Training",
    fields: [
      {
        kind: "select",
        label: "Loss",
        pointer: "/training/loss",
        options: "losses",
        ...namedObject("/training/loss"),
      },
      {
        kind: "select",
        label: "Optimizer",
        pointer: "/training/optimizer",
        options: "optimizers",
        default: "adam",
        ...namedObject("/training/optimizer", ["learning_rate", "weight_decay"]),
      },
      {
        ...number,
        label: "Learning rate",
        pointer: "/training/optimizer/learning_rate",
        placeholder: "optimizer default",
        ...memberOfNamed("/training/optimizer", "learning_rate"),
      },
      { ...positiveInteger, label: "Batch size", pointer: "/training/batch_size", default: 32 },
      { kind: "number", step: 1, min: 0, label: "Seed", pointer: "/training/seed", default: 0 },
    ],
  },
  {
    title: "Data",
    fields: [
      { kind: "select", label: "Data set", pointer: "/dataset", options: "datasets", ...dataset() },
      {
        kind: "number",
        step: 0.05,
        min: 0,
        max: 0.95,
        label: "Validation share",
        pointer: "/split/validation",
        default: 0.2,
      },
      {
        kind: "number",
        step: 0.05,
        min: 0,
        max: 0.95,
        label: "Test share",
        pointer: "/split/test",
        default: 0,
        hint: "0 if the data set has its own test rows",
      },
      {
        kind: "check",
        label: "Keep class proportions in every split (stratify)",
        pointer: "/split/stratify",
        default: false,
      },
    ],
  },
  {
    title: "Name and files",
    fields: [
      { kind: "text", label: "Name", pointer: "/name", placeholder: "none" },
      {
        kind: "words",
        label: "Tags",
        pointer: "/tags",
        hint: "separated by commas",
        placeholder: "none",
      },
      {
        kind: "checks",
        label: "Save as",
        pointer: "/outputs",
        options: [
          ["keras", "Keras"],
          ["weights", "weights"],
          ["saved_model", "SavedModel"],
          ["litert", "LiteRT"],
          ["onnx", "ONNX"],
          ["tensorboard", "TensorBoard events"],
        ],
        default: ["keras"],
      },
    ],
  },
];

/** A field's value in a spec; undefined if it is not set. */
export function readField(field, spec) {
  const value = field.read ? field.read(spec) : valueAt(spec, field.pointer);
  return value ?? undefined;
}

/** The spec with a new value for a field; undefined removes it. */
export function writeField(field, spec, value) {
  return field.write ? field.write(spec, value) : withValue(spec, field.pointer, value);
}

function dropoutRate() {
  const pointer = "/regularization/dropout";
  return {
    read: (spec) => valueAt(spec, `${pointer}/rate`),
    write: (spec, value) =>
      value === undefined
        ? withValue(spec, pointer, undefined)
        : withValue(spec, `${pointer}/rate`, value),
  };
}

function maxNorm() {
  const pointer = "/regularization/constraint";
  return {
    read: (spec) => valueAt(spec, `${pointer}/max_value`),
    write: (spec, value) =>
      withValue(
        spec,
        pointer,
        value === undefined ? undefined : { type: "MaxNorm", max_value: value },
      ),
  };
}

/** The data set as `source name`; choosing another one drops the previous one's options. */
function dataset() {
  return {
    read(spec) {
      const { source = "builtin", name, id } = valueAt(spec, "/dataset") ?? {};
      return name || id ? `${source} ${id ?? name}` : undefined;
    },
    write(spec, value) {
      const [source, name] = value.split(" ");
      return withValue(
        spec,
        "/dataset",
        source === "upload" ? { source, id: name } : { source, name },
      );
    },
  };
}
