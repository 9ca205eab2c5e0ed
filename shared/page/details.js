// The details of one export: its request, counts, warnings, errors, files and commands.

import { RUNNING, announce, bytes, call, confirm, download, duration, element, icon, nameOf, number, progressBar, showProblem, statusChip, time } from "./tools.js";

const FEW = 3;
const dialog = document.getElementById("details");
const title = document.getElementById("details-title");
const body = document.getElementById("details-body");
let shownId = null;
let shown = null;
let bar = null;
let report = {}; // `changed(id)`: read its state again; `deleted(id)`: it no longer exists.

export const open = () => (dialog.open ? shownId : null);
export const isRunning = () => dialog.open && shown !== null && RUNNING.has(shown.status);
export const close = () => dialog.open && dialog.close();

export const setUp = (callbacks) => (report = callbacks);

// Opens the panel; `known` is the list's entry, shown until the answer is here.
export function begin(id, known) {
  shownId = id;
  shown = null;
  title.textContent = known ? nameOf(known) : "Export";
  body.replaceChildren(element("p", { class: "loading" }, "Loading …"));
  if (!dialog.open) dialog.showModal();
  title.focus();
}

export function fail(problem) {
  shown = null;
  const box = element("div", { class: "problem", role: "alert" });
  showProblem(box, problem);
  body.replaceChildren(box);
}

// Shows the state. When only the progress changes, nothing else is touched: focus and reading place stay.
export function show(operation) {
  const before = shown;
  shown = operation;
  if (before?.status === operation.status) {
    bar?.update(operation.progress);
    return;
  }
  const name = nameOf(operation);
  title.textContent = name;
  const focused = body.contains(document.activeElement);
  bar = RUNNING.has(operation.status) ? progressBar(name) : null;
  bar?.update(operation.progress);
  body.replaceChildren(
    ...[
      element("p", { class: "states" }, statusChip(operation.status)),
      bar,
      commands(operation),
      element("div", { class: "problem", role: "alert", hidden: true }),
      operation.counts && tiles(operation),
      entries("Warnings", "warning", operation.warnings),
      errors(operation),
      element("section", {}, element("h3", {}, "Request"), facts(requestFacts(operation))),
      element("section", {}, element("h3", {}, "Run"), facts(runFacts(operation))),
    ].filter(Boolean),
  );
  if (focused) title.focus();
}

function commands(operation) {
  const running = RUNNING.has(operation.status);
  const button = (text, image, action, kind = "") =>
    element("button", { type: "button", class: kind, onclick: (event) => run(event.currentTarget, action) }, icon(image), text);
  return element(
    "div",
    { class: "commands", role: "group", "aria-label": "Commands" },
    operation.download?.csv && button("Download CSV", "download", () => fetchFile("csv"), "primary"),
    operation.download?.results && button("Download results.json", "download", () => fetchFile("results")),
    running && button("Cancel export", "stop", cancel),
    !running && button("Delete", "delete", remove),
  );
}

// Runs a command, one at a time, and shows its problem. A command that goes on returns the button's new text.
async function run(button, action) {
  const box = body.querySelector(":scope > .problem");
  button.disabled = true;
  let under = false;
  try {
    under = await action();
    showProblem(box, null);
  } catch (problem) {
    showProblem(box, problem);
  } finally {
    button.disabled = Boolean(under);
    if (under) button.lastChild.textContent = under;
    if (dialog.open && !dialog.contains(document.activeElement)) (button.isConnected ? button : title).focus();
  }
}

async function fetchFile(file) {
  await download(shownId, file);
  announce("The download starts");
}

async function cancel() {
  const text = "The users read so far are discarded, and no file is published.";
  if (!(await confirm("Cancel this export?", text, "Cancel export", "Keep running"))) return null;
  try {
    await call("POST", `exports/${shownId}/cancel`);
    announce("The export is being cancelled");
    return "Cancelling …";
  } finally {
    await report.changed(shownId);
  }
}

async function remove() {
  const id = shownId;
  const text = `This deletes ${title.textContent}, its results and its entry in this list for everyone. It can't be undone.`;
  if (!(await confirm("Delete this export?", text, "Delete", "Keep"))) return;
  await call("DELETE", `exports/${id}`);
  dialog.close();
  report.deleted(id);
}

function tiles({ counts, ...operation }) {
  const tile = (label, value, kind = "") =>
    element("div", { class: `tile ${kind}` }, element("dt", {}, label), element("dd", {}, value));
  return element(
    "dl",
    { class: "tiles" },
    tile("Users exported", number(counts.exported)),
    tile("Users expected", number(counts.expected)),
    tile("Errors", number(counts.errors), counts.errors ? "some" : ""),
    tile("Duration", duration(operation)),
  );
}

function facts(pairs) {
  const list = element("dl", { class: "facts" });
  for (const [term, value] of pairs) {
    if (value !== null && value !== undefined) list.append(element("dt", {}, term), element("dd", {}, value));
  }
  return list;
}

function requestFacts({ request = {} }) {
  const columns = request.columns ?? [];
  const users = request.users ? `${number(request.users)} selected` : request.filter ? "Users that match the filter" : "All";
  return [
    ["Users", users],
    ["Filter", request.filter ? element("code", {}, request.filter) : null],
    ["Columns", element("details", {}, element("summary", {}, `${columns.length} columns`), columns.join(", "))],
    ["Safe for Excel", request.excel === false ? "No" : "Yes"],
    ["Callback host", request.callbackHost || null],
  ];
}

function runFacts({ counts, ...operation }) {
  return [
    ["Started by", operation.requestedBy?.name || operation.requestedBy?.id || "–"],
    ["Started", time(operation.createdDateTime)],
    ["Ended", operation.completedDateTime ? time(operation.completedDateTime) : null],
    ["File size", operation.file ? bytes(operation.file.bytes) : null],
    ["Ranges", counts ? number(counts.ranges) : null],
    ["Requests to Graph", counts ? number(counts.requests) : null],
    ["Repeated", counts ? `${number(counts.retries)} requests, ${number(counts.restarts)} ranges` : null],
    ["Id", element("code", {}, operation.id)],
  ];
}

function entries(heading, kind, found) {
  if (!found?.length) return null;
  const items = found.map((each) => element("li", {}, element("strong", {}, each.code), element("span", {}, each.reason)));
  return element("section", { class: kind }, element("h3", {}, heading), element("ul", { class: "entries" }, ...items));
}

// The bars count only the errors shown here, which may be the first of many. A few errors are just listed.
function errors({ errors: found = [], counts = {} }) {
  if (!found.length) return null;
  const all = Math.max(counts.errors ?? 0, found.length);
  const heading = all > found.length ? `Errors: the first ${number(found.length)} of ${number(all)}` : `Errors: ${number(all)}`;
  const search = element("input", { type: "search", id: "search", placeholder: "User, code or reason", autocomplete: "off", spellcheck: "false" });
  const count = element("p", { class: "hint", role: "status" });
  const rows = element("tbody", { role: "rowgroup" });
  const parts = ["User", "Reason", "Column", "Request id"];
  const head = element("tr", { role: "row" }, ...parts.map((part) => element("th", { role: "columnheader", scope: "col" }, part)));
  const table = element("table", { role: "table", class: "errors" }, element("caption", { class: "unseen" }, heading), element("thead", { role: "rowgroup" }, head), rows);
  const list = found.map((error) => ({ row: errorRow(error), code: error.code, text: Object.values(error).join(" ").toLowerCase() }));
  let code = null;
  const chart = barChart(found, (chosen) => {
    code = chosen;
    filter();
  });
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/);
    const kept = list.filter((each) => (!code || each.code === code) && words.every((word) => each.text.includes(word)));
    rows.replaceChildren(...kept.map((each) => each.row));
    count.textContent = kept.length === list.length ? "" : `${number(kept.length)} of ${number(list.length)} shown`;
    table.hidden = kept.length === 0;
  }
  search.addEventListener("input", filter);
  filter();
  return element(
    "section",
    {},
    element("h3", {}, heading),
    all > found.length && element("p", { class: "hint" }, "results.json has all errors."),
    ...(found.length > FEW ? [chart, element("label", { class: "search", for: "search" }, "Search the errors", search)] : []),
    count,
    table,
  );
}

function errorRow(error) {
  const cell = (label, ...children) => element("td", { role: "cell", "data-label": label }, ...children);
  const user = error.userPrincipalName ?? error.user ?? "–";
  return element(
    "tr",
    { role: "row" },
    cell("User", element("span", { title: error.user ?? "" }, user)),
    cell("Reason", element("strong", { class: "code" }, error.code), element("span", { class: "reason" }, error.reason)),
    cell("Column", ...(error.column ?? "–").split(", ").map((column) => element("span", { class: "each" }, column))),
    cell("Request id", error.requestId ? element("code", { title: error.requestId }, error.requestId) : "–"),
  );
}

// A bar for each code, the most frequent first; each is a switch that shows only its errors.
function barChart(found, choose) {
  const counts = new Map();
  for (const { code } of found) counts.set(code, (counts.get(code) ?? 0) + 1);
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  const buttons = sorted.map(([code, count]) => {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${(count / sorted[0][1]) * 100}%`;
    const switched = (event) => {
      const on = event.currentTarget.getAttribute("aria-pressed") !== "true";
      for (const each of buttons) each.setAttribute("aria-pressed", String(on && each === event.currentTarget));
      choose(on ? code : null);
    };
    return element(
      "button",
      { type: "button", "aria-pressed": "false", title: "Show only these", onclick: switched },
      element("span", { class: "code" }, code),
      element("span", { class: "track" }, fill),
      element("span", { class: "number" }, number(count)),
    );
  });
  return element("ul", { class: "chart", "aria-label": "Errors by code" }, ...buttons.map((button) => element("li", {}, button)));
}
