/** The settings that are controls of the form, each with its place in the spec. */

import { valueAt, withValue } from "./pointer.js";

const PATIENCE = 5;

/** A name that may stand for an object with it: `"adam"` is `{"name": "adam"}`. */
function named(pointer, kept = []) {
  return {
    read(spec) {
      const value = valueAt(spec, pointer);
      return typeof value === "string" ? value : value?.name;
    },
    write(spec, name) {
      const before = valueAt(spec, pointer);
      const members = kept
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

/** A member of something that may be a name alone. */
function ofNamed(pointer, member) {
  return {
    read: (spec) => valueAt(spec, `${pointer}/${member}`),
    write(spec, value) {
      const holder = valueAt(spec, pointer);
      const whole = typeof holder === "string" ? withValue(spec, pointer, { name: holder }) : spec;
      const ready =
        value !== undefined && valueAt(whole, pointer) === undefined
          ? withValue(whole, pointer, { name: "adam" })
          : whole;
      return withValue(ready, `${pointer}/${member}`, value);
    },
  };
}

/** λ of a weight penalty; without any λ the section goes, with its scaling. */
function strength(kind) {
  const pointer = `/regularization/weights/${kind}`;
  const other = `/regularization/weights/${kind === "l1" ? "l2" : "l1"}`;
  return {
    read: (spec) => valueAt(spec, pointer),
    write(spec, value) {
      const alone = value === undefined && valueAt(spec, other) === undefined;
      return alone
        ? withValue(spec, "/regularization/weights", undefined)
        : withValue(spec, pointer, value);
    },
  };
}

/** A section that is there with its usual content, or is not. */
function section(pointer, content) {
  return {
    read: (spec) => Boolean(valueAt(spec, pointer)),
    write: (spec, on) => withValue(spec, pointer, on ? content : undefined),
  };
}

const hasPenalty = (spec) => valueAt(spec, "/regularization/weights") != null;
const hasDropout = (spec) => valueAt(spec, "/regularization/dropout") != null;
const stops = (spec) => valueAt(spec, "/training/early_stopping") != null;
const textbook = (spec) => valueAt(spec, "/regularization/weights/scaling") === "textbook";
const penalisesL1 = (spec) => valueAt(spec, "/regularization/weights/l1") !== undefined;

const number = { kind: "number", step: "any", min: 0 };
const whole = { kind: "number", step: 1, min: 1 };

/** Groups of fields: `options` may be a name of a list in the catalogue. */
export const GROUPS = [
  {
    title: "Regularization",
    fields: [
      {
        ...number,
        label: "L2 (λ)",
        pointer: "/regularization/weights/l2",
        hint: "of every kernel; 0.0001 to 0.01 is usual",
        placeholder: "none",
        ...strength("l2"),
      },
      {
        ...number,
        label: "L1 (λ)",
        pointer: "/regularization/weights/l1",
        hint: "of every kernel; favours zeros",
        placeholder: "none",
        ...strength("l1"),
      },
      {
        kind: "select",
        label: "What λ means",
        pointer: "/regularization/weights/scaling",
        options: [
          ["keras", "Keras: λ·Σw²"],
          ["textbook", "Textbook: λ/(2n)·Σw²"],
        ],
        usual: "keras",
        needs: hasPenalty,
      },
      {
        kind: "select",
        label: "n is",
        pointer: "/regularization/weights/n",
        options: [
          ["batch", "the batch size"],
          ["rows", "the training rows"],
        ],
        usual: "batch",
        needs: textbook,
      },
      {
        kind: "select",
        label: "L1 is minimized by",
        pointer: "/regularization/weights/l1_mode",
        options: [
          ["penalty", "its gradient, as Keras does"],
          ["proximal", "a soft threshold: exact zeros"],
        ],
        usual: "penalty",
        needs: penalisesL1,
      },
      {
        kind: "number",
        step: 0.05,
        min: 0,
        max: 0.95,
        label: "Dropout rate",
        pointer: "/regularization/dropout/rate",
        hint: "start at 0.3, raise it to 0.5 on overfitting",
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
        usual: ["dense"],
        needs: hasDropout,
      },
      {
        kind: "check",
        label: "Raise the rate on overfitting, up to 0.5",
        pointer: "/regularization/dropout/raise_on_overfit",
        needs: hasDropout,
        ...section("/regularization/dropout/raise_on_overfit", { to: 0.5 }),
      },
      {
        ...number,
        label: "Max norm of each unit",
        pointer: "/regularization/constraint",
        hint: "3 is usual with dropout",
        placeholder: "none",
        ...maxNorm(),
      },
      {
        ...number,
        label: "Weight decay",
        pointer: "/training/optimizer/weight_decay",
        hint: "decoupled, as in AdamW; spares biases",
        placeholder: "none",
        ...ofNamed("/training/optimizer", "weight_decay"),
      },
    ],
  },
  {
    title: "Stopping",
    fields: [
      { ...whole, label: "Epochs", pointer: "/training/epochs", usual: 10, max: 100_000 },
      {
        kind: "check",
        label: "Stop early, by the validation data loss",
        pointer: "/training/early_stopping",
        ...section("/training/early_stopping", { patience: PATIENCE, restore_best_weights: true }),
      },
      {
        kind: "number",
        step: 1,
        min: 0,
        label: "Patience, in epochs",
        pointer: "/training/early_stopping/patience",
        usual: 0,
        needs: stops,
      },
      {
        kind: "check",
        label: "End with the best epoch's weights",
        pointer: "/training/early_stopping/restore_best_weights",
        usual: false,
        needs: stops,
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
        ...named("/training/loss"),
      },
      {
        kind: "select",
        label: "Optimizer",
        pointer: "/training/optimizer",
        options: "optimizers",
        usual: "adam",
        ...named("/training/optimizer", ["learning_rate", "weight_decay"]),
      },
      {
        ...number,
        label: "Learning rate",
        pointer: "/training/optimizer/learning_rate",
        placeholder: "the optimizer's",
        ...ofNamed("/training/optimizer", "learning_rate"),
      },
      { ...whole, label: "Batch size", pointer: "/training/batch_size", usual: 32 },
      { kind: "number", step: 1, min: 0, label: "Seed", pointer: "/training/seed", usual: 0 },
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
        label: "Share for validation",
        pointer: "/split/validation",
        usual: 0.2,
      },
      {
        kind: "number",
        step: 0.05,
        min: 0,
        max: 0.95,
        label: "Share for the test",
        pointer: "/split/test",
        usual: 0,
        hint: "0 where the data set has test rows of its own",
      },
      {
        kind: "check",
        label: "Keep the classes' shares in all parts",
        pointer: "/split/stratify",
        usual: false,
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
        usual: ["keras"],
      },
    ],
  },
];

/** What a field shows of a spec. */
export function readField(field, spec) {
  const value = field.read ? field.read(spec) : valueAt(spec, field.pointer);
  return value ?? undefined;
}

/** The spec with another value for a field; undefined takes it away. */
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

/** Data sets are chosen by `source name`; another one keeps none of the former one's options. */
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
