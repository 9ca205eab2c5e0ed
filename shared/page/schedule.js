// When a saved export runs: a few choices that write the NCRONTAB expression, and the words for one.

import { element, find } from "./dom.js";
import { hour, t, weekday } from "./words.js";

const SIMPLE = /^(\d+) (\d+) (\*|\d+) \* (\*|[0-6]|1-5|mon-fri)$/i;
const LAST_DAY = 28; // Each month has it.
const own = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export function setUp() {
  find("schedule-weekday").append(...[1, 2, 3, 4, 5, 6, 0].map((day) => element("option", { value: day }, weekday(day))));
  for (let day = 1; day <= LAST_DAY; day++) find("schedule-day").append(element("option", { value: day }, String(day)));
  find("time-zones").append(...Intl.supportedValuesOf("timeZone").map((value) => element("option", { value })));
  reset();
}

export function reset() {
  fill({});
}

export function fill({ schedule = "", timeZone }) {
  const known = parse(schedule ?? "");
  find("repeat").value = known.repeat;
  find("schedule-time").value = known.time ?? "06:00";
  find("schedule-weekday").value = known.weekday ?? 1;
  find("schedule-day").value = known.day ?? 1;
  find("schedule").value = known.repeat === "own" ? schedule : "";
  find("time-zone").value = timeZone ?? own();
}

export function showParts() {
  const repeat = find("repeat").value;
  for (const part of document.querySelectorAll("[data-repeat]")) part.hidden = !part.dataset.repeat.split(" ").includes(repeat);
}

// `{schedule, timeZone}`; neither when it is started by hand only.
export function read() {
  const repeat = find("repeat").value;
  return repeat ? { schedule: repeat === "own" ? find("schedule").value.trim() : written(repeat), timeZone: find("time-zone").value.trim() } : {};
}

function written(repeat) {
  if (!find("schedule-time").value) return "";
  const [hours, minutes] = find("schedule-time").value.split(":").map(Number);
  const days = { day: "* * *", weekdays: "* * 1-5", week: `* * ${find("schedule-weekday").value}`, month: `${find("schedule-day").value} * *` };
  return `${minutes} ${hours} ${days[repeat]}`;
}

function parse(schedule) {
  if (!schedule) return { repeat: "" };
  const [, minutes, hours, day, days] = SIMPLE.exec(schedule) ?? [];
  const time = `${hours?.padStart(2, "0")}:${minutes?.padStart(2, "0")}`;
  if (day === "*" && days === "*") return { repeat: "day", time };
  if (day === "*" && days.length > 1) return { repeat: "weekdays", time };
  if (day === "*") return { repeat: "week", time, weekday: days };
  return days === "*" && day <= LAST_DAY ? { repeat: "month", time, day: Number(day) } : { repeat: "own" };
}

// "Every Monday at 06:00, Europe/Berlin"; an expression that is not so simple stays as it is.
export function inWords({ schedule, timeZone }) {
  const { repeat, time, ...at } = parse(schedule);
  if (!repeat) return t("schedule.none");
  const zone = timeZone ?? "UTC";
  if (repeat === "own") return element("span", {}, element("code", { dir: "ltr" }, schedule), `, ${zone}`);
  const values = { time: hour(new Date(2000, 0, 1, ...time.split(":"))), day: String(at.day), weekday: at.weekday && weekday(at.weekday) };
  return `${t(`when.${repeat}`, values)}, ${zone}`;
}
