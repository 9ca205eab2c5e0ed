// The details of one export: its request, counts, warnings, errors, files and commands.

import { call, download, showProblem } from "./api.js";
import { changedColumns, compareFacts, compareTiles, isComparison } from "./compare.js";
import { announce, confirm, copyButton, element, find, icon, isBusy, keepFocus, setBusy } from "./dom.js";
import { entries, errors } from "./errors.js";
import { asked, duration, formatOf, harmOf, isRunning, nameOf, progressBar, sameState, statusChip, time } from "./operation.js";
import { bytes, number, t } from "./words.js";

const dialog = find("details");
const title = find("details-title");
const body = find("details-body");
let shownId = null;
let shown = null;
let bar = null;
let took = null;
// `changed(id)`: its state has to be read again; `deleted(id)`: it is gone; `again(id)`: this one was started.
let report = {};

export const open = () => (dialog.open ? shownId : null);
export const running = () => (dialog.open && shown && isRunning(shown) ? shown : null);
export const close = () => dialog.open && dialog.close();

export const setUp = (callbacks) => (report = callbacks);

// Opens the panel; `known` is the list's entry, shown until the answer is here.
export function begin(id, known) {
  shownId = id;
  shown = null;
  title.textContent = known ? nameOf(known) : t("details.title");
  body.replaceChildren(element("p", { class: "loading" }, t("loading")));
  if (!dialog.open) dialog.showModal();
  title.focus();
}

export function fail(problem) {
  shown = null;
  const box = element("div", { class: "problem", role: "alert" });
  showProblem(box, problem);
  body.replaceChildren(box);
  keepFocus(title);
}

// Shows the state. When only the progress changes, nothing else is touched: focus and reading place stay.
export function show(operation) {
  const before = shown;
  shown = operation;
  if (!sameState(before, operation)) draw(operation);
  bar?.update(operation);
  took.textContent = duration(operation);
}

function draw(operation) {
  const name = nameOf(operation);
  title.textContent = title.title = name;
  bar = isRunning(operation) ? progressBar(name) : null;
  took = element("span", {}, duration(operation));
  const harm = harmOf(operation);
  body.replaceChildren(
    ...[
      element("p", { class: "states" }, statusChip(operation), operation.cancelRequested && element("span", { class: "hint" }, t("cancel.wait"))),
      harm && element("p", { class: "harm" }, harm),
      bar,
      commands(operation),
      element("div", { class: "problem", role: "alert", hidden: true }),
      operation.counts && tiles(operation),
      changedColumns(operation),
      entries(t("details.warnings"), operation.warnings),
      errors(operation),
      element("section", {}, element("h3", {}, t("details.request")), facts(requestFacts(operation))),
      element("section", {}, element("h3", {}, t("details.run")), facts(runFacts(operation))),
    ].filter(Boolean),
  );
  keepFocus(title);
}

function commands(operation) {
  const button = (text, image, action, kind = "") =>
    element("button", { type: "button", class: kind, onclick: (event) => run(event.currentTarget, action) }, icon(image), text);
  const running = isRunning(operation);
  return element(
    "div",
    { class: "commands", role: "group", "aria-label": t("commands") },
    operation.file && (operation.download?.file ?? operation.download?.csv) && button(t("details.download", { format: formatOf(operation) }), "download", () => fetchFile("file"), "primary"),
    operation.download?.results && button(t("details.results"), "download", () => fetchFile("results")),
    running && !operation.cancelRequested && button(t("cancel"), "stop", cancel),
    !running && !isComparison(operation) && button(t("again"), "refresh", again),
    copyButton(t("copyLink"), () => location.href, t("copied")),
    !running && button(t("delete"), "delete", remove),
  );
}

// Runs a command once at a time and shows its problem.
async function run(button, action) {
  if (isBusy(button)) return;
  const box = body.querySelector(":scope > .problem");
  setBusy(button, true);
  try {
    await action();
    showProblem(box, null);
  } catch (problem) {
    showProblem(box, problem);
    box.scrollIntoView({ block: "nearest" });
  } finally {
    setBusy(button, false);
    if (dialog.open) keepFocus(button);
  }
}

async function fetchFile(file) {
  await download(shownId, file);
  announce(t("said.download"));
}

async function cancel() {
  const id = shownId;
  if (!(await confirm(t("cancel.title"), t("cancel.text"), t("cancel"), t("cancel.no")))) return;
  try {
    show({ ...shown, ...(await call("POST", `exports/${id}/cancel`)) });
    announce(t("said.cancelling"));
  } finally {
    await report.changed(id);
  }
}

async function remove() {
  const id = shownId;
  const text = t("delete.text", { name: title.textContent });
  if (!(await confirm(t("delete.title"), text, t("delete"), t("delete.no")))) return;
  await call("DELETE", `exports/${id}`);
  dialog.close();
  report.deleted(id);
}

async function again() {
  if (!(await confirm(t("again.title"), t("again.text"), t("again"), t("again.no")))) return;
  const { id } = await call("POST", "exports", JSON.stringify({ again: shownId }));
  dialog.close();
  report.again(id);
}

function tiles({ counts, ...operation }) {
  const tile = (label, value, kind = "") =>
    element("div", { class: `tile ${kind}` }, element("dt", {}, label), element("dd", {}, value));
  return element(
    "dl",
    { class: "tiles" },
    ...(isComparison(operation) ? compareTiles(counts) : [[t("tile.exported"), counts.exported], [t("tile.expected"), counts.expected]]).map(
      ([label, value]) => tile(label, number(value)),
    ),
    tile(t("tile.errors"), number(counts.errors), counts.errors ? "some" : ""),
    tile(t("tile.duration"), duration(operation)),
  );
}

function facts(pairs) {
  const list = element("dl", { class: "facts" });
  for (const [term, value] of pairs) {
    if (value !== null && value !== undefined) list.append(element("dt", {}, term), element("dd", { dir: "auto" }, value));
  }
  return list;
}

function requestFacts({ request = {}, ...operation }) {
  const columns = request.columns ?? [];
  const first = isComparison(operation) ? compareFacts({ request, ...operation }) : [];
  return [
    ...first,
    [t("fact.users"), first.length ? null : asked({ request: { ...request, filter: "" } })],
    [t("fact.filter"), request.filter ? element("code", { dir: "ltr" }, request.filter) : null],
    [t("fact.columns"), element("details", {}, element("summary", {}, t("columns.count", { count: columns.length })), columns.join(", "))],
    [t("fact.format"), formatOf({ request, ...operation })],
    [t("fact.excel"), (request.format ?? "csv") === "csv" ? t(request.excel === false ? "no" : "yes") : null],
    [t("fact.callback"), request.callbackHost || null],
  ];
}

function runFacts({ counts, ...operation }) {
  // Of a failed export the steps that failed could not say how many requests they made.
  const known = counts && (counts.requests > 0 || operation.status !== "Failed");
  const tries = counts && [t("fact.retries", { count: counts.retries })];
  if (counts?.restarts !== undefined) tries.push(t("fact.restarts", { count: counts.restarts }));
  return [
    [t("fact.startedBy"), operation.requestedBy?.name || operation.requestedBy?.id || "–"],
    [t("fact.started"), time(operation.createdDateTime)],
    [t("fact.ended"), operation.completedDateTime ? time(operation.completedDateTime) : null],
    [t("fact.duration"), took],
    [t("fact.size"), operation.file ? bytes(operation.file.bytes) : null],
    [t("fact.ranges"), known && counts.ranges !== undefined ? number(counts.ranges) : null],
    [t("fact.requests"), known ? number(counts.requests) : null],
    [t("fact.again"), known ? tries.join(", ") : null],
    [t("fact.id"), element("code", {}, operation.id)],
  ];
}
