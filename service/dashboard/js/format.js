/** Formats numbers, sizes and times for reading. */

const DATE_AFTER_DAYS = 30;

/** A measurement with four significant digits. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(4)));
}

/** A count with thousands separators. */
export function count(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

/** A fraction as a percentage. */
export function percent(fraction) {
  if (fraction === null || fraction === undefined) return "–";
  if (fraction === 0) return "0%";
  const value = 100 * fraction;
  const digits = Math.abs(value) < 1 ? 2 : Math.abs(value) < 10 ? 1 : 0;
  return `${value.toFixed(digits)}%`;
}

/** Bytes in units of powers of 1000, as in the command line. */
export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Seconds as a duration. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time since a timestamp; the date if that is long ago. */
export function ago(text) {
  const seconds = Math.max(0, (Date.now() - Date.parse(text)) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  const days = Math.round(seconds / 86400);
  return days < DATE_AFTER_DAYS ? `${days} d ago` : new Date(text).toISOString().slice(0, 10);
}

/** A timestamp in the reader's time zone. */
export function localTime(text) {
  return text === null ? "–" : new Date(text).toLocaleString(undefined, { hour12: false });
}

/** `1 error`, `2 errors`. */
export function plural(amount, noun) {
  return `${count(amount)} ${noun}${amount === 1 ? "" : "s"}`;
}

/** The name of a spec's data set. */
export function datasetName(dataset) {
  if (dataset.source !== "upload") return dataset.name;
  return dataset.stored?.name ?? dataset.id.slice(0, 11);
}
