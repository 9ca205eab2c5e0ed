// The form's list of users: typed, pasted, taken from a file, or dropped.

import { element, find } from "./dom.js";
import { countText, exampleText, parseUsers, readFile } from "./users.js";
import { t } from "./words.js";

let text = ""; // Of the file whose question is open.
let refuse = () => {};

// `showError(detail)` shows what is wrong with a file; without detail it takes that away.
export function setUp(showError) {
  refuse = showError;
  const field = find("users");
  field.addEventListener("input", count);
  find("users-file").addEventListener("change", async () => {
    await takeFile(find("users-file").files[0]);
    find("users-file").value = ""; // The same file can be taken again after a change.
  });
  const place = find("users-field");
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    takeFile(event.dataTransfer.files[0]);
  });
  find("users-column").addEventListener("change", answer);
}

async function takeFile(file) {
  if (!file) return;
  refuse(null);
  try {
    text = await readFile(file);
    const { users, question } = parseUsers(text);
    ask(question);
    if (!question && !users.length) throw new Error(t("users.empty", { name: file.name }));
    if (!question) show(users);
  } catch (problem) {
    refuse(problem.message);
  }
}

// Which column has the users: nobody but the person knows, where no heading is known.
function ask(question) {
  find("users-question").hidden = !question;
  const options = (question ?? []).map((each, at) => element("option", { value: at }, exampleText(each)));
  find("users-column").replaceChildren(element("option", { value: "" }, t("users.column.choose")), ...options);
  if (question) find("users-column").focus();
}

function answer() {
  const column = find("users-column").value;
  if (column) show(parseUsers(text, Number(column)).users);
}

function show(users) {
  find("users").value = users.join("\n");
  refuse(null);
  count();
}

function count() {
  const { users, question } = parseUsers(find("users").value);
  if (question) text = find("users").value;
  if (question && find("users-question").hidden) askQuietly(question);
  if (!question && !find("users-column").value) find("users-question").hidden = true;
  find("users-count").textContent = countText(users);
}

// While someone types or pastes, the focus stays.
function askQuietly(question) {
  const focused = document.activeElement;
  ask(question);
  focused?.focus();
}

export function fill(users) {
  find("users").value = users.join("\n");
  count();
}

export const read = () => parseUsers(find("users").value).users;
export const asks = () => !find("users-question").hidden && !find("users-column").value;

export function reset() {
  text = "";
  find("users-question").hidden = true;
  find("users-count").textContent = "";
}
