/** A starter spec for a stored data set: a small network with L2 and dropout. */

const MAX_CLASSES = 100;
const COMMON_TARGETS = ["target", "label", "class", "y"];
const IMAGE_SIDE = 64;
/** Expected rows of the rarest class in the smallest part, from which the split is stratified. */
const ENOUGH_ROWS = 1.5;
const REGULARIZATION = { weights: { l2: 0.0001 }, dropout: { rate: 0.3, after: ["dense"] } };

/** The columns or arrays that can be the target; none for images, whose folders are classes. */
export function targetsOf(dataset) {
  return (dataset.columns ?? trainingArrays(dataset.arrays ?? [])).map(specName);
}

/** A column's or array's name in a spec: arrays of a split file (`x_train`) share one (`x`). */
function specName({ name, stem }) {
  return stem ?? name;
}

/** The training rows' arrays; all arrays of a file that is not split. */
function trainingArrays(arrays) {
  return arrays.filter(({ part }) => (part ?? "train") === "train");
}

/** The most likely target: a common name, else the last one. */
export function likelyTarget(dataset) {
  const names = targetsOf(dataset);
  return names.find((name) => COMMON_TARGETS.includes(name.toLowerCase())) ?? names.at(-1) ?? null;
}

/** A spec that trains on the data set. */
export function datasetSpec(dataset, target) {
  const chosen = target ?? likelyTarget(dataset);
  const values = classesOf(dataset, chosen);
  const classes = values && values.length;
  return {
    name: dataset.name.replace(/\.[a-z]+$/i, "").slice(0, 100),
    dataset: source(dataset, chosen),
    split: split(dataset.split, values),
    model: { layers: [...body(dataset, chosen), output(classes)] },
    regularization: REGULARIZATION,
    training: {
      epochs: 30,
      loss: classes === null ? "mean_squared_error" : "sparse_categorical_crossentropy",
      metrics: [classes === null ? "mean_absolute_error" : "accuracy"],
      early_stopping: { patience: 5, restore_best_weights: true },
    },
  };
}

/**
 * The shares to hold out, except where the file brings its own validation or test rows; stratified
 * if every class has rows for every part.
 */
function split(own, classes) {
  const shares = {
    ...(own?.validation ? {} : { validation: 0.2 }),
    ...(own?.test ? {} : { test: 0.1 }),
  };
  const rarest = Math.min(...(classes ?? []).map(({ rows }) => rows));
  const stratifies = classes !== null && rarest * Math.min(...Object.values(shares)) >= ENOUGH_ROWS;
  const divides = Object.keys(shares).length > 0;
  return { ...shares, ...(divides && stratifies ? { stratify: true } : {}) };
}

function source(dataset, target) {
  const stored = { source: "upload", id: dataset.id };
  if (!dataset.images) return { ...stored, target };
  const { height, width } = dataset.images;
  const sameSize = height[0] === height[1] && width[0] === width[1];
  return sameSize ? stored : { ...stored, image: { height: IMAGE_SIDE, width: IMAGE_SIDE } };
}

/** The classes with their numbers of rows; null for a real-valued target. */
function classesOf(dataset, target) {
  if (dataset.images) return dataset.images.classes;
  if (dataset.arrays) {
    const values = trainingArrays(dataset.arrays).find(
      (array) => specName(array) === target,
    )?.values;
    return values && values.length <= MAX_CLASSES ? values : null;
  }
  const column = dataset.columns.find(({ name }) => name === target);
  if (!column?.values || column.type === "number") return null;
  return column.type === "integer" && column.values.length > MAX_CLASSES
    ? null
    : column.values;
}

function body(dataset, target) {
  const dense = { type: "Dense", units: 64, activation: "relu" };
  if (dataset.images) {
    const block = (filters) => [
      { type: "Conv2D", filters, kernel_size: 3, padding: "same", activation: "relu" },
      { type: "MaxPooling2D" },
    ];
    return [...block(16), ...block(32), { type: "GlobalAveragePooling2D" }, dense];
  }
  const features = dataset.arrays?.find((array) => specName(array) !== target);
  const flat = features && features.shape.length > 2 ? [{ type: "Flatten" }] : [];
  return [...flat, dense, { ...dense, units: 32 }];
}

function output(classes) {
  return classes === null
    ? { type: "Dense", units: 1 }
    : { type: "Dense", units: classes, activation: "softmax" };
}
