// The list of operations: loads it, updates the running ones, and opens the panel that the address names.
// `#new` is the form, `#{id}` the details of one export.

import * as details from "./details.js";
import * as start from "./start.js";
import { RUNNING, STATUS_TEXTS, announce, call, download, duration, element, icon, nameOf, number, progressBar, showProblem, statusChip, time } from "./tools.js";

const POLL = 2_000;
const SLOWEST_POLL = 60_000;
const PAGE_SIZE = 25;
const ID = /^#([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

const find = (id) => document.getElementById(id);
const operations = new Map(); // id -> the operation as last seen, in the order of the list
const rows = new Map(); // id -> its row
const onScreen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) onScreen.add(target.dataset.id);
    else onScreen.delete(target.dataset.id);
  }
});
let continuation = "";
let loads = 0; // The newest load wins: a late answer to an older one is dropped.

async function load(more = false) {
  const load = ++loads;
  const query = new URLSearchParams({ top: PAGE_SIZE });
  if (find("filter").value) query.set("status", find("filter").value);
  if (more && continuation) query.set("continuationToken", continuation);
  find("loading").hidden = operations.size > 0;
  find("refresh").disabled = find("more").disabled = true;
  find("list").setAttribute("aria-busy", "true");
  try {
    const page = await call("GET", `exports?${query}`);
    if (load !== loads) return;
    if (!more) forgetAll();
    const first = page.value[0]?.id;
    for (const operation of page.value) put(operation);
    continuation = page.continuationToken ?? "";
    showProblem(find("problem"), null);
    find("commands").hidden = false;
    showEmpty(operations.size === 0);
    announce(operations.size === 1 ? "1 operation" : `${number(operations.size)} operations`);
    if (more && first) rows.get(first).querySelector(".details").focus();
  } catch (problem) {
    if (load !== loads) return;
    if (!more) forgetAll();
    showEmpty(false);
    showProblem(find("problem"), problem, loadAgain);
    find("commands").hidden = problem.status === 401 || problem.status === 403;
  } finally {
    if (load === loads) {
      find("loading").hidden = true;
      find("refresh").disabled = find("more").disabled = false;
      find("more").hidden = !continuation;
      find("list").setAttribute("aria-busy", "false");
    }
  }
}

async function loadAgain() {
  find("refresh").focus();
  await load();
}

function forgetAll() {
  for (const id of [...operations.keys()]) forget(id);
  continuation = "";
}

function forget(id) {
  const row = rows.get(id);
  if (row) {
    watcher.unobserve(row);
    row.remove();
  }
  for (const each of [operations, rows, onScreen]) each.delete(id);
  find("operations").hidden = operations.size === 0;
}

function showEmpty(empty) {
  const filter = find("filter").value;
  find("empty").hidden = !empty;
  find("empty").querySelector(".title").textContent = filter
    ? `No operation has the status “${STATUS_TEXTS[filter]}”`
    : "No operations yet";
  find("empty").querySelector(".text").textContent = filter
    ? "Choose another status above."
    : "Start an export here or through the API. It then appears here, with its progress and its files.";
}

// Adds an operation to the list, or shows what is new about one that is there.
function put(operation) {
  const before = operations.get(operation.id);
  operations.set(operation.id, operation);
  let row = rows.get(operation.id);
  if (!row) {
    row = element("tr", { role: "row", "data-id": operation.id });
    rows.set(operation.id, row);
    find("rows").append(row);
    find("operations").hidden = false;
    watcher.observe(row);
  }
  if (before && before.status === operation.status) row.bar?.update(operation.progress);
  else fill(row, operation);
  if (before && RUNNING.has(before.status) && !RUNNING.has(operation.status)) {
    announce(`${nameOf(operation)}: ${STATUS_TEXTS[operation.status]}, ${number(operation.counts?.exported ?? 0)} users`);
  }
}

function fill(row, operation) {
  const name = nameOf(operation);
  const focused = row.contains(document.activeElement);
  const cell = (label, attributes, ...children) =>
    element("td", { role: "cell", "data-label": label, ...attributes }, ...children);
  row.bar = RUNNING.has(operation.status) ? progressBar(name) : null;
  row.bar?.update(operation.progress);
  const fileName = operation.file
    ? element("button", { type: "button", class: "link", "aria-label": `Download ${name}`, onclick: () => fetchFile(operation.id) }, icon("download"), name)
    : element("span", { class: "no-file" }, name);
  row.replaceChildren(
    cell("File name", { class: "name" }, fileName),
    cell("Status", { class: "state" }, statusChip(operation.status), row.bar),
    cell("Started", {}, time(operation.createdDateTime)),
    cell("Duration", {}, duration(operation)),
    cell("Users", { class: "number" }, number(operation.counts?.exported)),
    cell("Errors", { class: operation.counts?.errors ? "number some" : "number" }, number(operation.counts?.errors)),
    cell("Started by", { class: "who" }, operation.requestedBy?.name || operation.requestedBy?.id || "–"),
    cell("", { class: "open" }, element("a", { class: "details", href: `#${operation.id}`, "aria-label": `Details of ${name}` }, "Details", icon("next"))),
  );
  if (focused) row.querySelector(".details").focus();
}

async function fetchFile(id) {
  try {
    await download(id, "csv");
    announce("The download starts");
    showProblem(find("problem"), null);
  } catch (problem) {
    showProblem(find("problem"), problem);
  }
}

// Asks for the visible running exports, one after the other; for none while the tab is hidden.
let wait = POLL;
async function poll() {
  if (!document.hidden) {
    const seen = details.open() ?? "";
    const ids = [...operations.keys()].filter((id) => onScreen.has(id) && RUNNING.has(operations.get(id).status));
    if (details.isRunning() && !ids.includes(seen)) ids.push(seen);
    let failure = null;
    for (const id of ids) {
      failure = await update(id);
      if (failure) break;
    }
    if (failure) {
      wait = Math.min(SLOWEST_POLL, wait * 2);
      showProblem(find("problem"), failure, loadAgain);
    } else if (ids.length && wait > POLL) {
      wait = POLL;
      showProblem(find("problem"), null);
    }
  }
  setTimeout(poll, wait);
}

// Gets one export's state for list and details. Returns the Problem when that failed; a deleted export is not a failure.
async function update(id) {
  try {
    const operation = await call("GET", `exports/${id}`);
    if (operations.has(id)) put(operation);
    if (details.open() === id) details.show(operation);
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 410) return problem;
    if (operations.has(id)) forget(id);
    if (details.open() === id) details.fail(problem);
  }
  return null;
}

async function follow() {
  const id = ID.exec(location.hash)?.[1];
  if (location.hash === "#new") start.open();
  else start.close();
  if (!id) return details.close();
  details.begin(id, operations.get(id));
  const problem = await update(id);
  if (problem && details.open() === id) details.fail(problem);
}

// Closing a panel takes its name out of the address, so that a reload does not open it again. The focus goes back to
// what opened it, which may be a new row for the same export by now.
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (dialog.id === "confirm") return;
    const id = ID.exec(location.hash)?.[1];
    if (dialog.id === "start" ? location.hash === "#new" : id) history.replaceState(null, "", location.pathname);
    const lost = document.activeElement === document.body || dialog.contains(document.activeElement);
    if (lost) (rows.get(id)?.querySelector(".details") ?? find("list")).focus();
  });
}

details.setUp({
  changed: update,
  deleted: (id) => {
    forget(id);
    showEmpty(operations.size === 0);
    announce("The export was deleted");
    find("list").focus();
  },
});
start.setUp(async (id) => {
  find("filter").value = "";
  await load();
  announce("The export was started");
  rows.get(id)?.querySelector(".details").focus();
});
find("refresh").addEventListener("click", () => load());
find("more").addEventListener("click", () => load(true));
find("filter").addEventListener("change", () => load());
window.addEventListener("hashchange", follow);
follow();
load();
setTimeout(poll, POLL);
