// What an operation says of itself, in the list as in the details.

import { element, icon } from "./dom.js";
import { bytes, has, hour, number, percent, seconds, t, timeText } from "./words.js";

export const RUNNING = new Set(["NotStarted", "InProgress"]);
const DAY = 24 * 3600 * 1000;

export const isRunning = (operation) => RUNNING.has(operation.status);
export const statusText = (status) => (has(`status.${status}`) ? t(`status.${status}`) : status);
// Two states of an operation look the same, but for the progress.
export const sameState = (one, other) => one?.status === other.status && one?.cancelRequested === other.cancelRequested;

export function nameOf({ id, file, request = {} }) {
  if (file) return file.name;
  return `${request.fileName ?? id}.${request.format ?? "csv"}${request.compress ? ".gz" : ""}`;
}

export function statusChip({ status, cancelRequested }) {
  const known = has(`status.${status}`);
  const text = cancelRequested ? t("status.cancelling") : statusText(status);
  return element("span", { class: `chip ${known ? status : ""}` }, icon(known ? status : "NotStarted"), text);
}

// "All users", "401 selected users", "Guests of group ...": what was asked for.
export function asked({ request = {}, type }) {
  if (type === "comparison") return t("asked.comparison");
  if (request.users) return t("asked.users", { count: request.users });
  const { scope } = request;
  const parts = [];
  if (scope?.deleted) parts.push(t("asked.deleted"));
  if (scope?.group) parts.push(t("asked.group", { id: scope.group }));
  if (scope?.administrativeUnit) parts.push(t("asked.unit", { id: scope.administrativeUnit }));
  if (request.filter) parts.push(t("asked.filter", { filter: request.filter }));
  return parts.join(" · ") || t("asked.all");
}

export function formatOf({ request = {}, file }) {
  const format = file?.format ?? request.format ?? "csv";
  const name = has(`format.${format}`) ? t(`format.${format}`) : format;
  return (file?.compressed ?? request.compress) ? t("format.compressed", { name }) : name;
}

export const sizeOf = ({ file }) => (file ? bytes(file.bytes) : null);

export function time(iso) {
  const date = new Date(iso ?? Number.NaN);
  return Number.isNaN(date.valueOf()) ? "–" : element("time", { datetime: iso, title: iso }, timeText(date));
}

// How long it took, or has taken so far.
export function duration({ createdDateTime, completedDateTime, ...operation }) {
  const end = completedDateTime ? new Date(completedDateTime) : isRunning(operation) ? new Date() : null;
  const whole = (end - new Date(createdDateTime)) / 1000;
  return end && Number.isFinite(whole) ? seconds(whole) : "–";
}

export const partOf = ({ progress }) => (progress?.expected ? Math.min(1, (progress.exported ?? 0) / progress.expected) : null);

// The bar of a running export, made once and then updated: screen readers keep their place.
export function progressBar(name) {
  const fill = element("span", { class: "fill" });
  const bar = element("div", { class: "bar", role: "progressbar", "aria-label": t("progress.of", { name }) }, fill);
  const text = element("span", { class: "progress-text" });
  const rest = element("span", { class: "progress-text" });
  const whole = element("div", { class: "progress" }, bar, text, rest);
  whole.update = (operation) => {
    const part = partOf(operation);
    text.textContent = says(operation.progress ?? {});
    rest.textContent = saysMore(operation.progress ?? {});
    bar.classList.toggle("unknown", part === null);
    fill.style.width = part === null ? "" : `${part * 100}%`;
    bar.setAttribute("aria-valuetext", `${text.textContent} ${rest.textContent}`.trim());
    if (part === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.floor(part * 100));
  };
  return whole;
}

function says({ exported = 0, expected, usersPerSecond }) {
  let text = t("progress.counting");
  if (expected) text = t("progress.users", { exported, expected });
  else if (exported) text = t("progress.exported", { count: exported });
  return usersPerSecond ? `${text} · ${t("progress.rate", { rate: Math.round(usersPerSecond) })}` : text;
}

function saysMore({ exported = 0, expected, usersPerSecond, ranges, rangesDone, estimatedEndDateTime }) {
  const parts = ranges ? [t("progress.ranges", { done: rangesDone ?? 0, count: ranges })] : [];
  const end = new Date(estimatedEndDateTime ?? Number.NaN);
  if (usersPerSecond && expected > exported) {
    parts.push(t("progress.left", { time: seconds((expected - exported) / usersPerSecond) }));
    if (!Number.isNaN(end.valueOf())) parts.push(t("progress.end", { time: end - Date.now() < DAY ? hour(end) : timeText(end) }));
  }
  return parts.join(" · ");
}

// The window's title tells how far it is while another window is in front.
export function titleOf(operations) {
  const running = operations.filter(isRunning);
  if (running.length !== 1) return running.length ? t("title.running", { count: running.length }) : t("title");
  const part = partOf(running[0]);
  return part === null ? nameOf(running[0]) : `${percent(part)} – ${nameOf(running[0])}`;
}

// "1 user is missing, 97 have empty cells": what CompletedWithErrors means for the file. Says so when only some are known.
export function harmOf({ errors = [], counts = {} }) {
  const people = (kept) => new Set(kept.map((each) => each.user ?? each.userPrincipalName)).size;
  const missing = people(errors.filter((each) => !each.column && each.user));
  const cells = people(errors.filter((each) => each.column && each.user));
  const columns = new Set(errors.filter((each) => each.column && !each.user).flatMap((each) => each.column.split(", ")));
  const parts = [];
  if (missing) parts.push(t("harm.missing", { count: missing }));
  if (cells) parts.push(t("harm.cells", { count: cells }));
  if (columns.size) parts.push(t("harm.columns", { count: columns.size }));
  if (!parts.length) return "";
  const text = `${parts.join(", ")}.`;
  return (counts.errors ?? 0) > errors.length ? `${t("harm.first", { count: errors.length, all: number(counts.errors) })} ${text}` : text;
}
