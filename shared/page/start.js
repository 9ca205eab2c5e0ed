// The form that starts an export. A problem that the API reports is shown at its field, found by its JSON pointer.

import { announce, call, element, number, showProblem } from "./tools.js";
import { parseUsers, readFile } from "./users.js";

const EXAMPLES = [
  ["Guests", "userType eq 'Guest'"],
  ["Disabled accounts", "accountEnabled eq false"],
  ["One department", "department eq 'Sales'"],
  ["Created since", "createdDateTime ge 2025-01-01T00:00:00Z"],
  ["Synchronised from on-premises", "onPremisesSyncEnabled eq true"],
];
const SETS = {
  documented: "The columns of the portal's documentation, with the authentication columns",
  portal: "The columns of the portal's own file",
  profile: "Documented, without the authentication columns: the fastest",
};
const SHOWN_PROBLEMS = 5;

const find = (id) => document.getElementById(id);
const form = find("form");
const dialog = find("start");
const chosen = (name) => form.elements[name].value;
let started = async () => {};
let columnsShown = false;
let lastTry = { body: "", key: "" };

// Calls `callback(id)` when an export was started.
export function setUp(callback) {
  started = callback;
  for (const [name, filter] of EXAMPLES) {
    const take = () => {
      find("odata").value = filter;
      find("odata").focus();
    };
    const button = element("button", { type: "button", class: "example", onclick: take }, element("span", {}, name), element("code", {}, filter));
    find("examples").append(element("li", {}, button));
  }
  form.addEventListener("change", showParts);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  find("users").addEventListener("input", countUsers);
  find("users-file").addEventListener("change", takeFile);
}

export function open() {
  if (!dialog.open) dialog.showModal();
  if (!columnsShown) showColumns();
}

export const close = () => dialog.open && dialog.close();

function showParts() {
  for (const part of form.querySelectorAll("[data-scope]")) part.hidden = part.dataset.scope !== chosen("scope");
  find("columns").hidden = chosen("columns") !== "";
}

async function showColumns() {
  try {
    const { sets, columns } = await call("GET", "columns");
    columnsShown = true;
    const names = Object.keys(sets);
    find("sets").replaceChildren(...names.map((name, at) => setChoice(name, sets[name], at === 0)));
    find("columns").replaceChildren(...groups(sets, columns).map(([title, hint, group]) => columnGroup(title, hint, group)));
    showProblem(find("form-problem"), null);
  } catch (problem) {
    showProblem(find("form-problem"), problem, showColumns);
  }
  showParts();
}

function setChoice(name, headers, checked) {
  const ids = { "aria-labelledby": `set-${name}`, "aria-describedby": `set-${name}-hint` };
  const label = element("span", { id: `set-${name}` }, element("b", {}, name), ` · ${headers.length} columns`);
  const hint = element("small", { id: `set-${name}-hint` }, SETS[name] ?? "");
  return element("label", { class: "choice" }, element("input", { type: "radio", name: "columns", value: name, checked, ...ids }), element("span", {}, label, hint));
}

function groups(sets, columns) {
  const signIn = columns.filter((column) => column.source === "signInActivity");
  const perUser = columns.filter((column) => column.perUser);
  const plain = columns.filter((column) => !signIn.includes(column) && !perUser.includes(column));
  const documented = plain.filter((column) => sets.documented?.includes(column.header));
  const portal = plain.filter((column) => sets.portal?.includes(column.header) && !documented.includes(column));
  const rest = plain.filter((column) => !documented.includes(column) && !portal.includes(column));
  return [
    ["Documented", "", documented],
    ["Authentication", "These need one call to Graph per user. An export of many users takes much longer.", perUser],
    ["More of the portal's file", "", portal],
    ["Sign-in", "These need the permission AuditLog.Read.All and a P1 licence.", signIn],
    ["More", "", rest],
  ].filter(([, , group]) => group.length);
}

// A group of columns, with a box for all of them that also shows when only some are chosen.
function columnGroup(title, hint, columns) {
  const boxes = columns.map(({ header }) => element("input", { type: "checkbox", name: "column", value: header }));
  const all = element("input", { type: "checkbox", "aria-label": `All of: ${title}` });
  const group = element(
    "fieldset",
    { class: "columns" },
    element("legend", {}, element("label", {}, all, title)),
    hint && element("p", { class: "hint" }, hint),
    element("div", { class: "boxes" }, ...boxes.map((box) => element("label", { class: "choice" }, box, box.value))),
  );
  group.addEventListener("change", ({ target }) => {
    if (target === all) for (const box of boxes) box.checked = all.checked;
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  });
  return group;
}

function countUsers() {
  const count = parseUsers(find("users").value).length;
  find("users-count").textContent = count ? `${number(count)} ${count === 1 ? "user" : "users"}` : "";
}

async function takeFile() {
  const [file] = find("users-file").files;
  if (!file) return;
  showErrors([]);
  try {
    const users = parseUsers(await readFile(file));
    if (!users.length) throw new Error(`${file.name} has no users. It needs a column userPrincipalName, objectId or id, or one user per line.`);
    find("users").value = users.join("\n");
    countUsers();
  } catch (problem) {
    showErrors([{ pointer: "/users", detail: problem.message }]);
  }
  find("users-file").value = ""; // The same file can be taken again after a change.
}

function request() {
  const body = { excel: find("excel").checked };
  if (find("file-name").value.trim()) body.fileName = find("file-name").value;
  if (chosen("scope") === "filter") body.filter = find("odata").value;
  if (chosen("scope") === "users") body.users = parseUsers(find("users").value);
  const set = chosen("columns");
  body.columns = set || [...form.querySelectorAll("[name=column]:checked")].map((box) => box.value);
  if (!set && !columnsShown) delete body.columns;
  return body;
}

async function submit() {
  const body = JSON.stringify(request());
  // A repeat of the same request, after an answer was lost, must not start a second export.
  if (body !== lastTry.body) lastTry = { body, key: newKey() };
  find("submit").disabled = true;
  announce("Starting the export");
  try {
    const { id } = await call("POST", "exports", body, { "Idempotency-Key": lastTry.key });
    lastTry = { body: "", key: "" };
    showErrors([]);
    showProblem(find("form-problem"), null);
    form.reset();
    countUsers();
    showParts();
    dialog.close();
    await started(id);
  } catch (problem) {
    showRefusal(problem);
  } finally {
    find("submit").disabled = false;
  }
}

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function showRefusal(problem) {
  const atFields = showErrors(problem.errors ?? []);
  if (atFields) {
    showProblem(find("form-problem"), null);
    return;
  }
  showProblem(find("form-problem"), problem);
  find("form-problem").focus();
}

// Shows each problem at the field that its pointer names. True when all of them have one.
function showErrors(errors) {
  for (const old of form.querySelectorAll(".error")) old.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.setAttribute("aria-describedby", control.getAttribute("aria-describedby").replace(/error-\S+ ?/, ""));
  }
  const byField = new Map();
  for (const error of errors) {
    const field = [...form.querySelectorAll("[data-pointer]")].find(
      (each) => !each.hidden && `/${error.pointer.split("/")[1]}` === each.dataset.pointer,
    );
    byField.set(field, [...(byField.get(field) ?? []), error.detail]);
  }
  for (const [field, details] of byField) if (field) showAtField(field, details);
  form.querySelector("[aria-invalid]")?.focus();
  return errors.length > 0 && !byField.has(undefined);
}

function showAtField(field, details) {
  const more = details.length - SHOWN_PROBLEMS;
  const lines = details.slice(0, SHOWN_PROBLEMS).map((detail) => element("span", {}, sentence(detail)));
  if (more > 0) lines.push(element("span", {}, `And ${number(more)} more problems like this.`));
  const id = `error${field.dataset.pointer.replace("/", "-")}`;
  const control = field.querySelector("[name=columns]:checked") ?? field.querySelector("textarea, input");
  const text = element("p", { class: "error", id }, ...lines);
  if (control.type === "radio" || control.type === "checkbox") field.append(text);
  else control.after(text);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", `${id} ${control.getAttribute("aria-describedby") ?? ""}`);
  announce(details.map(sentence).join(" "));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
