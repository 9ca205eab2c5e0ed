// "Save these settings" of the form: a name, when it runs, how many of its exports stay.

import { call } from "./api.js";
import { confirm, find } from "./dom.js";
import * as schedule from "./schedule.js";
import { t } from "./words.js";

const NAME = /^[a-z0-9-]{1,64}$/;
let edited = ""; // The name of the saved export that the form was filled with.

export const setUp = schedule.setUp;
export const wanted = () => find("save").checked;
export const editing = () => edited;

export function showParts() {
  find("save-fields").hidden = !wanted();
  find("submit").textContent = wanted() ? t("save.submit") : t("start");
  schedule.showParts();
}

export function reset() {
  edited = "";
  find("start-title").textContent = t("new");
  find("save-name").readOnly = false;
  find("save-callback").hidden = true;
  schedule.reset();
}

export function fill(saved) {
  edited = saved.name;
  find("start-title").textContent = t("saved.editing", { name: saved.name });
  find("save").checked = true;
  find("save-name").value = saved.name;
  // Another name would be another saved export, beside this one.
  find("save-name").readOnly = true;
  find("keep").value = saved.keep ?? "";
  find("save-compare").checked = saved.compare === true;
  find("save-callback").textContent = t("save.callback", { host: saved.callbackHost ?? "" });
  find("save-callback").hidden = !saved.callbackHost;
  schedule.fill(saved);
}

// What would be refused anyway, said in the page's words.
export function problems() {
  if (!wanted()) return [];
  const found = [];
  if (!NAME.test(find("save-name").value)) found.push({ pointer: "/name", detail: t("save.name.wrong") });
  const { schedule: times } = schedule.read();
  if (times === "") found.push({ pointer: "/schedule", detail: find("repeat").value === "own" ? t("schedule.own.missing") : t("schedule.time.missing") });
  return found;
}

// Saves the request under the name. False when a person keeps what has this name already.
export async function put(request) {
  const name = find("save-name").value;
  if (name !== edited && !(await mayReplace(name))) return false;
  const keep = find("keep");
  const wrong = keep.validity.badInput; // The browser hides the text of what is no number.
  const body = { ...request, ...schedule.read() };
  if (keep.value || wrong) body.keep = wrong ? "" : Number(keep.value);
  if (find("save-compare").checked) body.compare = true;
  await call("PUT", `saved-exports/${name}`, JSON.stringify(body));
  return true;
}

async function mayReplace(name) {
  const { value } = await call("GET", "saved-exports");
  if (!value.some((each) => each.own && each.name === name)) return true;
  return confirm(t("save.replace.title"), t("save.replace.text", { name }), t("save.replace"), t("save.replace.no"));
}
