// Figures and times as people read them. Everything takes what may be absent and gives a dash for it.

export const NOTHING = "–";
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** 12.3 kB: decimal, as the commands print it. */
export function bytes(count) {
  if (!isNumber(count)) return NOTHING;
  let [value, unit] = [Math.abs(count), 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  const text = unit === 0 ? value.toFixed(0) : value.toFixed(value < 10 ? 1 : 0);
  return `${count < 0 ? "-" : ""}${text} ${UNITS[unit]}`;
}

/** A number with about three digits that matter. */
export function number(value) {
  if (!isNumber(value)) return NOTHING;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e15 || size < 1e-6) return value.toExponential(2);
  if (size >= 1000 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-GB");
  return String(Number(value.toPrecision(3)));
}

/** Percent of a share that is given as percent already. */
export function percent(value, digits = 1) {
  return isNumber(value) ? `${value.toFixed(digits)} %` : NOTHING;
}

/** The same for an axis: no more digits than it takes. */
export function share(value) {
  return isNumber(value) ? `${Number((value * 100).toFixed(1))} %` : NOTHING;
}

/** 99.98 %: never rounded up to a hundred. */
export function uptime(share) {
  if (!isNumber(share)) return NOTHING;
  if (share >= 1) return "100 %";
  return `${(Math.floor(share * 10000) / 100).toFixed(2)} %`;
}

/** 2 h 5 min: the two largest units. */
export function duration(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  const size = Math.abs(seconds);
  if (size < 0.001) return `${(size * 1e6).toFixed(0)} µs`;
  if (size < 1) return `${(size * 1e3).toFixed(size < 0.01 ? 1 : 0)} ms`;
  if (size < 60) return `${size.toFixed(size < 10 ? 1 : 0)} s`;
  const whole = Math.floor(size);
  const both = (first, one, second, two) => (second ? `${first} ${one} ${second} ${two}` : `${first} ${one}`);
  if (whole < 3600) return both(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86400) return both(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return both(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

/** An offset of a clock with its sign. */
export function offset(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  return `${seconds < 0 ? "−" : "+"}${duration(Math.abs(seconds))}`;
}

/** Milliseconds of a time as the server writes it; NaN for none. */
export const ms = (time) => (typeof time === "number" ? time : Date.parse(time ?? ""));

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

const when = (format) => (time) => (Number.isFinite(ms(time)) ? format.format(ms(time)) : NOTHING);

export const clock = when(CLOCK);
export const hourMinute = when(SHORT);
export const day = when(DAY);
export const full = when(FULL);

/** The time of day, with the day where it is another than today. */
export function moment(time) {
  const at = ms(time);
  if (!Number.isFinite(at)) return NOTHING;
  const today = new Date().toDateString() === new Date(at).toDateString();
  return today ? CLOCK.format(at) : `${DAY.format(at)} ${CLOCK.format(at)}`;
}

/** 3 min ago. */
export function ago(time, now = Date.now()) {
  const at = ms(time);
  if (!Number.isFinite(at)) return NOTHING;
  const seconds = (now - at) / 1000;
  if (seconds < -1) return `in ${coarse(-seconds)}`;
  return seconds < 1 ? "now" : `${coarse(seconds)} ago`;
}

/** One unit, rounded down. */
export function coarse(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** A value of a metric by its UCUM unit. */
export function byUnit(unit) {
  switch (unit) {
    case "By": return bytes;
    case "By/s": return (value) => `${bytes(value)}/s`;
    case "s": return (value) => (isNumber(value) ? (value < 0 ? `−${duration(-value)}` : duration(value)) : NOTHING);
    case "1": return (value) => (isNumber(value) && Math.abs(value) <= 1 ? percent(value * 100) : number(value));
    default: return number;
  }
}

/** A word for people: `sync_failed` is `sync failed`. */
export const words = (text) => String(text ?? NOTHING).replaceAll("_", " ");

/** Something short for lists. */
export const shortId = (id) => (typeof id === "string" ? id.slice(0, 13) : NOTHING);

/** Several, or one. */
export const many = (count, one, more = `${one}s`) => `${number(count)} ${count === 1 ? one : more}`;
