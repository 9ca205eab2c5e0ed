// The page's texts in the language of the browser, and how numbers, times and sizes read in it.

const LANGUAGES = ["en", "nl"];
const locale = navigator.languages.find((each) => LANGUAGES.includes(each.slice(0, 2).toLowerCase())) ?? "en";
export const language = locale.slice(0, 2).toLowerCase();

const { page, columns, advice } = await (await fetch(new URL(`texts.${language}.json`, import.meta.url))).json();
const PLURALS = new Intl.PluralRules(locale);
const NUMBERS = new Intl.NumberFormat(locale);
const DATES = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const HOURS = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const WEEKDAYS = new Intl.DateTimeFormat(locale, { weekday: "long" });
const LISTS = new Intl.ListFormat(locale, { type: "conjunction" });

// The text with its {values}. One with plurals is chosen by `count`.
export function t(key, values = {}) {
  const found = page[key];
  if (found === undefined) throw new Error(`The page has no text ${key}.`);
  const text = typeof found === "string" ? found : (found[PLURALS.select(values.count)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name]));
}

export const has = (key) => key in page;

// What a column holds; the API's own words for one that is not known here.
export const aboutColumn = (header, otherwise) => columns[header] ?? otherwise;

// What a code means and what to do: [meaning, action]; null for codes that are not the app's.
export function adviceOf(code, column = "") {
  const found = (column.startsWith("authentication") && advice[`${code} on columns`]) || advice[code];
  if (found) return found;
  return /^HTTP\d+$/.test(code) ? advice.HTTP : null;
}

// Fills what the markup leaves to the language: data-text is the text, data-label and data-placeholder attributes.
export function fillTexts(root) {
  document.documentElement.lang = locale;
  for (const each of root.querySelectorAll("[data-text]")) each.textContent = t(each.dataset.text);
  for (const each of root.querySelectorAll("[data-label-text]")) each.setAttribute("aria-label", t(each.dataset.labelText));
  for (const each of root.querySelectorAll("[data-placeholder]")) each.setAttribute("placeholder", t(each.dataset.placeholder));
}

export const number = (value) => (value === null || value === undefined ? "–" : NUMBERS.format(value));
export const percent = (part) => new Intl.NumberFormat(locale, { style: "percent" }).format(Math.floor(part * 100) / 100);
export const listed = (words) => LISTS.format(words);

// The name of a day of the week; Sunday is 0.
export const weekday = (day) => WEEKDAYS.format(new Date(2023, 0, 1 + Number(day)));
export const hour = (date) => HOURS.format(date);
export const timeText = (date) => DATES.format(date);

// The zone in which all times are, by name and by its distance from UTC.
export function zone() {
  const part = (style) =>
    new Intl.DateTimeFormat(locale, { timeZoneName: style }).formatToParts().find((each) => each.type === "timeZoneName").value;
  return `${part("long")}, ${part("longOffset")}`;
}

export function seconds(value) {
  const whole = Math.max(0, Math.round(value));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (whole < 60) return t("time.seconds", { s: whole });
  if (whole < 3600) return t("time.minutes", { m: minutes, s: whole % 60 });
  return t("time.hours", { h: hours, m: minutes });
}

export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 && unit ? 1 : 0 })} ${units[unit]}`;
}
