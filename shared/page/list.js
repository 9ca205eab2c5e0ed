// The list of operations: loads it, keeps the running ones up to date, and finds what others start meanwhile.

import { Problem, call, download, showProblem } from "./api.js";
import { isComparison, untick } from "./compare.js";
import * as details from "./details.js";
import { announce, find, isBusy, keepFocus, setBusy } from "./dom.js";
import { isRunning, nameOf, statusText, titleOf } from "./operation.js";
import { newRow } from "./row.js";
import { hour, t } from "./words.js";

const POLL = 2_000;
const SLOWEST_POLL = 60_000;
const NEWS = 10_000;
const PAGE_SIZE = 25;
const LARGEST_PAGE = 200;

const operations = new Map(); // id -> the operation as last seen
const rows = new Map(); // id -> its row
const onScreen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) onScreen.add(target.dataset.id);
    else onScreen.delete(target.dataset.id);
  }
});
let continuation = "";
let loads = 0; // The newest load wins: an older answer that comes late is dropped.
let loadedAt = null;
let allowed = true; // Until the API says otherwise.
let report = {}; // `refused()`: the caller may not export.

export const known = (id) => operations.get(id);
export const linkOf = (id) => rows.get(id)?.querySelector(".details");
export const mayExport = () => allowed;
export const setUp = (callbacks) => (report = callbacks);

export function begin() {
  const query = new URLSearchParams(location.search);
  find("filter").value = query.get("status") ?? "";
  if (!find("filter").value) find("filter").value = "";
  find("name-search").value = query.get("name") ?? "";
  find("refresh").addEventListener("click", () => isBusy(find("refresh")) || load());
  find("more").addEventListener("click", () => isBusy(find("more")) || load(true));
  find("filter").addEventListener("change", () => {
    keepAddress();
    load();
  });
  find("name-search").addEventListener("input", () => {
    keepAddress();
    search();
  });
  load().then(search);
  setTimeout(poll, POLL);
  setTimeout(news, NEWS);
}

// All operations, whatever the list was narrowed to: a new one has to be seen.
export async function showAll() {
  find("filter").value = find("name-search").value = "";
  keepAddress();
  await load();
}

function keepAddress() {
  const query = new URLSearchParams();
  if (find("filter").value) query.set("status", find("filter").value);
  if (find("name-search").value) query.set("name", find("name-search").value);
  history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
}

const ask = (top, after = "") => {
  const query = new URLSearchParams({ top });
  if (find("filter").value) query.set("status", find("filter").value);
  if (after) query.set("continuationToken", after);
  return call("GET", `exports?${query}`);
};

async function load(more = false, top = PAGE_SIZE) {
  const load = ++loads;
  const focused = document.activeElement !== document.body;
  find("loading").hidden = operations.size > 0;
  for (const id of ["refresh", "more"]) setBusy(find(id), true);
  find("list").setAttribute("aria-busy", "true");
  try {
    const page = await ask(top, more ? continuation : "");
    if (load !== loads) return;
    const found = new Set(page.value.map((each) => each.id));
    // What stays keeps its row, and with it focus and place.
    if (!more) for (const id of [...operations.keys()]) if (!found.has(id)) forget(id);
    for (const operation of page.value) put(operation);
    continuation = page.continuationToken ?? "";
    reached(null);
    announce(t("list.count", { count: operations.size }));
    if (more && page.value.length && top === PAGE_SIZE) linkOf(page.value[0].id).focus();
  } catch (problem) {
    if (load === loads) reached(problem);
  } finally {
    if (load === loads) {
      find("loading").hidden = true;
      for (const id of ["refresh", "more"]) setBusy(find(id), false);
      find("list").setAttribute("aria-busy", "false");
      narrow();
      if (focused) keepFocus(find("refresh"));
    }
  }
}

// What the last answer means for the page: rows of before stay, and say of when they are.
function reached(problem) {
  allowed = problem?.status !== 403;
  if (!problem) loadedAt = new Date();
  if (!allowed) {
    for (const id of [...operations.keys()]) forget(id);
    continuation = "";
    report.refused();
  }
  find("commands").hidden = problem?.status === 401 || !allowed;
  find("as-of").hidden = !problem || !operations.size;
  find("as-of").textContent = loadedAt ? t("list.asOf", { time: hour(loadedAt) }) : "";
  showProblem(find("problem"), problem, loadAgain);
}

async function loadAgain() {
  find("refresh").focus();
  await load();
}

export function forget(id) {
  const row = rows.get(id);
  const focused = row?.contains(document.activeElement);
  if (row) watcher.unobserve(row);
  row?.remove();
  untick(id);
  for (const each of [operations, rows, onScreen]) each.delete(id);
  narrow();
  if (focused) find("list").focus();
}

// Ids sort newest first: each operation has its place, whenever it is found.
function put(operation) {
  const before = operations.get(operation.id);
  // At the end the notes on the ranges are removed before it has ended: the bar must not go back.
  if (operation.progress?.exported < before?.progress?.exported) operation.progress = before.progress;
  operations.set(operation.id, operation);
  let row = rows.get(operation.id);
  if (row) row.show(operation, before);
  else {
    row = newRow(operation, fetchFile);
    const next = [...rows.keys()].filter((id) => id > operation.id).sort()[0];
    find("rows").insertBefore(row, rows.get(next) ?? null);
    rows.set(operation.id, row);
    watcher.observe(row);
  }
  if (before && isRunning(before) && !isRunning(operation)) {
    const values = { name: nameOf(operation), status: statusText(operation.status), count: operation.counts?.exported ?? 0 };
    announce(isComparison(operation) ? t("said.compared", values) : t("said.ended", values));
  }
  narrow();
  showTitle();
}

export function showTitle() {
  const seen = details.running();
  document.title = titleOf(seen ? [seen] : [...operations.values()]);
}

// Shows the rows whose name has what is searched for, or why there are none.
function narrow() {
  const words = find("name-search").value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const [id, row] of rows) {
    row.hidden = !words.every((word) => nameOf(operations.get(id)).toLowerCase().includes(word));
    if (!row.hidden) shown += 1;
  }
  const status = find("filter").value;
  const empty = shown === 0 && loadedAt !== null && find("problem").hidden && find("loading").hidden;
  const why = find("name-search").value ? "name" : status ? "status" : "all";
  find("operations").hidden = shown === 0;
  find("more").hidden = !continuation;
  find("empty").hidden = !empty;
  find("empty-title").textContent = t(`empty.${why}`, { status: statusText(status), name: find("name-search").value });
  find("empty-text").textContent = t(`empty.${why}.do`);
}

// A name is looked for in all operations, also in those that are not loaded yet.
let searching = false;
async function search() {
  narrow();
  if (searching) return;
  searching = true;
  while (find("name-search").value && continuation && find("problem").hidden) await load(true, LARGEST_PAGE);
  searching = false;
  if (find("name-search").value) announce(t("list.count", { count: [...rows.values()].filter((row) => !row.hidden).length }));
}

async function fetchFile(id) {
  try {
    await download(id, "file");
    announce(t("said.download"));
    showProblem(find("problem"), null);
  } catch (problem) {
    showProblem(find("problem"), problem);
    find("problem").scrollIntoView({ block: "nearest" });
  }
}

// Asks for the running exports that can be seen, one after the other, and not at all while the tab is hidden.
let wait = POLL;
async function poll() {
  if (!document.hidden && allowed) {
    const seen = details.open() ?? "";
    const ids = [...operations.keys()].filter((id) => onScreen.has(id) && isRunning(operations.get(id)));
    if (details.running() && !ids.includes(seen)) ids.push(seen);
    let failure = null;
    for (const id of ids) {
      failure = await update(id);
      if (failure) break;
    }
    if (failure) {
      wait = Math.min(SLOWEST_POLL, wait * 2);
      reached(failure);
    } else if (ids.length && wait > POLL) {
      wait = POLL;
      reached(null);
    }
  }
  setTimeout(poll, wait);
}

// Looks now and then for what others have started or deleted, as far as the first page goes.
async function news() {
  const load = loads;
  const seen = document.hidden || isBusy(find("refresh")) || !allowed || !find("problem").hidden;
  const page = seen ? null : await ask(PAGE_SIZE).catch((problem) => problem);
  // Whatever the list was asked for meanwhile is newer; what fails is told by what a person does.
  if (page && !(page instanceof Problem) && load === loads) {
    const ids = new Set(page.value.map((each) => each.id));
    const last = page.continuationToken;
    for (const id of [...operations.keys()]) if (!ids.has(id) && (!last || id <= last)) forget(id);
    const fresh = page.value.filter((each) => !operations.has(each.id));
    for (const operation of page.value) if (!operations.has(operation.id) || !onScreen.has(operation.id)) put(operation);
    loadedAt = new Date();
    if (fresh.length) announce(t("said.news", { count: fresh.length, names: fresh.map(nameOf).join(", ") }));
  }
  setTimeout(news, NEWS);
}

// Gets one export's state for list and details. Returns the Problem when that failed; a deleted one is no failure.
export async function update(id) {
  try {
    const operation = await call("GET", `exports/${id}`);
    if (operations.has(id)) put(operation);
    if (details.open() === id) details.show(operation);
    showTitle();
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 410) return problem;
    if (operations.has(id)) forget(id);
    if (details.open() === id) details.fail(problem);
  }
  return null;
}
