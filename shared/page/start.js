// The form that starts an export, or saves its request. A problem that the API reports is shown at its field, found by its JSON pointer.

import { call, showProblem } from "./api.js";
import * as columns from "./columns.js";
import { announce, find, isBusy, keepFocus, setBusy } from "./dom.js";
import { showErrors } from "./fielderrors.js";
import * as filters from "./filters.js";
import * as peruser from "./peruser.js";
import { previewOf } from "./preview.js";
import * as save from "./save.js";
import { t } from "./words.js";
import * as users from "./userlist.js";

const form = find("form");
const dialog = find("start");
const chosen = (name) => form.elements[name].value;
let report = {}; // `started(id)`: an export was started; `saved(name)`: its request was saved.
let lastTry = { body: "", key: "" };

export function setUp(callbacks) {
  report = callbacks;
  filters.setUp();
  save.setUp();
  users.setUp((detail) => showErrors(form, detail ? [{ pointer: "/users", detail }] : []));
  form.addEventListener("change", showParts);
  find("preview").addEventListener("click", showPreview);
  // What was being edited must not become part of a new export.
  dialog.addEventListener("close", () => save.editing() && reset());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
}

export async function open() {
  if (!dialog.open) dialog.showModal();
  if (!columns.loaded()) await showColumns();
}

export const close = () => dialog.open && dialog.close();

function showParts() {
  for (const part of form.querySelectorAll("[data-scope]")) part.hidden = !part.dataset.scope.split(" ").includes(chosen("scope"));
  for (const part of form.querySelectorAll("[data-formats]")) part.hidden = !part.dataset.formats.split(" ").includes(chosen("format"));
  find("columns").hidden = chosen("columns") !== "";
  save.showParts();
  peruser.update(perUserRequest);
}

// Whom a preview is to count when columns are chosen that need a call for each of them.
function perUserRequest() {
  const { filter, users: selected, scope } = request();
  const wanted = { filter, users: selected, scope, columns: columns.perUser(chosen("columns")) };
  return dialog.open && wanted.columns.length && !problemsOf(wanted).length ? wanted : null;
}

async function showColumns() {
  try {
    await columns.load();
    showProblem(find("form-problem"), null);
  } catch (problem) {
    showProblem(find("form-problem"), problem, showColumns);
    keepFocus(find("form-problem"));
  }
  showParts();
}

function reset() {
  form.reset();
  filters.reset();
  users.reset();
  find("filter-field").dataset.scope = "filter";
  save.reset();
  find("preview-result").hidden = true;
  if (columns.loaded()) columns.reset();
  showErrors(form, []);
  showProblem(find("form-problem"), null);
  showParts();
}

// Fills the form with a saved export.
export async function fill(saved) {
  // Without the columns that there are, what is saved would lose its own.
  if (!columns.loaded()) await columns.load();
  reset();
  const { scope, users: selected, filter } = saved;
  const only = scope?.group ? "group" : scope?.administrativeUnit ? "unit" : scope?.deleted ? "deleted" : filter ? "filter" : "all";
  form.elements.scope.value = selected ? "users" : only;
  find("group-id").value = scope?.group ?? "";
  find("unit-id").value = scope?.administrativeUnit ?? "";
  find("odata").value = filter ?? "";
  // Only the API saves a filter together with a scope: it must not get lost here.
  if (scope && filter) find("filter-field").dataset.scope = "filter group unit deleted";
  if (selected) users.fill(selected);
  columns.fill(saved.columns);
  find("file-name").value = saved.fileName ?? "";
  find("format").value = saved.format ?? "csv";
  find("separator").value = saved.separator ?? ",";
  find("compress").checked = saved.compress === true;
  find("excel").checked = saved.excel !== false;
  save.fill(saved);
  showParts();
}

function request() {
  const format = chosen("format");
  const body = format === "csv" ? { excel: find("excel").checked } : { format };
  if (format === "csv" && chosen("separator") !== ",") body.separator = chosen("separator");
  if (format !== "xlsx" && find("compress").checked) body.compress = true;
  if (find("file-name").value.trim()) body.fileName = find("file-name").value;
  if (chosen("scope") === "filter" || (!find("filter-field").hidden && find("odata").value.trim())) body.filter = find("odata").value;
  if (chosen("scope") === "users") body.users = users.read();
  if (chosen("scope") === "group") body.scope = { group: find("group-id").value.trim() };
  if (chosen("scope") === "unit") body.scope = { administrativeUnit: find("unit-id").value.trim() };
  if (chosen("scope") === "deleted") body.scope = { deleted: true };
  const wanted = columns.read(chosen("columns"));
  if (wanted) body.columns = wanted;
  return body;
}

// What would be refused anyway, said in the page's words.
function problemsOf(body) {
  const problems = [];
  if (body.columns && !body.columns.length) problems.push({ pointer: "/columns", detail: t("columns.choose") });
  if (body.users && !body.users.length) problems.push({ pointer: "/users", detail: t(users.asks() ? "users.choose" : "users.none") });
  if ([body.scope?.group, body.scope?.administrativeUnit].includes("")) problems.push({ pointer: "/scope", detail: t("scope.none") });
  if (body.filter !== undefined && !body.filter.trim()) problems.push({ pointer: "/filter", detail: t("filter.none") });
  return problems;
}

async function submit() {
  if (isBusy(find("submit"))) return;
  const wanted = request();
  const problems = [...problemsOf(wanted), ...save.problems()];
  if (problems.length) {
    showErrors(form, problems);
    return;
  }
  if (save.wanted()) {
    await keep(wanted);
    return;
  }
  const body = JSON.stringify(wanted);
  // The same request again, after an answer that got lost, must not start a second export.
  if (body !== lastTry.body) lastTry = { body, key: newKey() };
  setBusy(find("submit"), true);
  announce(t("said.starting"));
  try {
    const { id } = await call("POST", "exports", body, { "Idempotency-Key": lastTry.key });
    lastTry = { body: "", key: "" };
    reset();
    dialog.close();
    await report.started(id);
  } catch (problem) {
    showRefusal(problem);
  } finally {
    setBusy(find("submit"), false);
    if (dialog.open) keepFocus(find("submit"));
  }
}

async function keep(wanted) {
  const name = find("save-name").value;
  setBusy(find("submit"), true);
  try {
    if (!(await save.put(wanted))) return;
    reset();
    dialog.close();
    report.saved(name);
  } catch (problem) {
    showRefusal(problem);
  } finally {
    setBusy(find("submit"), false);
    if (dialog.open) keepFocus(find("submit"));
  }
}

// Asks what the export would give; nothing is started. What was shown before goes: it may be of another request.
async function showPreview() {
  const [box, button] = [find("preview-result"), find("preview")];
  const wanted = request();
  box.hidden = true;
  if (isBusy(button) || showErrors(form, problemsOf(wanted))) return;
  setBusy(button, true);
  announce(t("said.asking"));
  try {
    box.replaceChildren(previewOf(await call("POST", "exports/preview", JSON.stringify(wanted))));
    box.hidden = false;
    showProblem(find("form-problem"), null);
    box.scrollIntoView({ block: "nearest" });
  } catch (problem) {
    showRefusal(problem);
  } finally {
    setBusy(button, false);
  }
}

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function showRefusal(problem) {
  if (showErrors(form, problem.errors ?? [])) {
    showProblem(find("form-problem"), null);
    return;
  }
  showProblem(find("form-problem"), problem);
  find("form-problem").focus();
}
