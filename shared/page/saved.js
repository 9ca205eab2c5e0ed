// The saved exports: what each asks for, when it runs next, what its last run gave, and its commands.

import { Problem, call, showProblem } from "./api.js";
import { announce, confirm, element, find, icon, isBusy, keepFocus, setBusy } from "./dom.js";
import { asked, isRunning, statusChip, time } from "./operation.js";
import { inWords } from "./schedule.js";
import { t } from "./words.js";

const NEWEST = 200; // Operations among which the last runs are looked for.
const POLL = 2_000;
const LOOKED_UP = 50; // Older last runs that are asked for: an administrator may see thousands of saved exports.
const dialog = find("saved");
// `started(id)`: an export was started; `edit(saved)`: the form is to be filled with this one.
let report = {};
let loads = 0; // The newest load wins.

export const setUp = (callbacks) => (report = callbacks);
export const close = () => dialog.open && dialog.close();

export async function open() {
  if (dialog.open) return;
  find("saved-list").replaceChildren();
  dialog.showModal();
  find("saved-title").focus();
  await load();
}

async function load() {
  const load = ++loads;
  showProblem(find("saved-problem"), null);
  find("saved-empty").hidden = true;
  find("saved-loading").hidden = false;
  try {
    const [{ value: all }, { value: operations }] = await Promise.all([call("GET", "saved-exports"), call("GET", `exports?top=${NEWEST}`)]);
    all.sort((one, other) => other.own - one.own);
    const runs = all.map((saved) => newestRun(saved, operations));
    const older = all.map((_, at) => at).filter((at) => !runs[at] && all[at].lastRun).slice(0, LOOKED_UP);
    await Promise.all(older.map(async (at) => (runs[at] = await olderRun(all[at].lastRun))));
    if (load !== loads) return;
    find("saved-list").replaceChildren(...all.map((saved, at) => entry(saved, runs[at])));
    find("saved-empty").hidden = all.length > 0;
    announce(t("saved.count", { count: all.length }));
    setTimeout(follow, POLL, load, runs.filter((run) => run && isRunning(run)));
  } catch (problem) {
    if (load === loads) showProblem(find("saved-problem"), problem, loadAgain);
  } finally {
    if (load === loads) find("saved-loading").hidden = true;
    if (dialog.open) keepFocus(find("saved-title"));
  }
}

async function loadAgain() {
  find("saved-title").focus();
  await load();
}

// Asks for the runs that have not ended, until the list is loaded again or the dialog is closed.
async function follow(load, running) {
  if (load !== loads || !dialog.open || !running.length) return;
  const next = [];
  for (const run of running) {
    const seen = document.hidden ? run : await call("GET", `exports/${run.id}`).catch((problem) => problem);
    if (seen.status === 404 || seen.status === 410) continue;
    if (seen instanceof Problem || isRunning(seen)) next.push(run);
    if (!(seen instanceof Problem)) find("saved-list").querySelector(`a.run[href="#${run.id}"]`)?.replaceChildren(...stateOf(seen));
  }
  setTimeout(follow, POLL, load, next);
}

// Its newest run among the newest operations.
const newestRun = ({ name, owner }, operations) =>
  operations.find(({ request, requestedBy }) => request?.saved === name && requestedBy?.id === owner.id);

// The run that its schedule has started last; null when that is gone.
async function olderRun({ id }) {
  try {
    return await call("GET", `exports/${id}`);
  } catch (problem) {
    if (problem.status === 404 || problem.status === 410) return null;
    throw problem;
  }
}

function entry(saved, run) {
  const { name, own, owner } = saved;
  const button = (text, label, image, action, kind = "") =>
    element("button", { type: "button", class: kind, "aria-label": label, onclick: (event) => act(event.currentTarget, action) }, icon(image), text);
  return element(
    "li",
    {},
    element("h3", {}, element("bdi", {}, name)),
    facts([
      [t("saved.owner"), own ? null : owner.name || owner.id],
      [t("fact.users"), asked({ request: saved.asked })],
      [t("schedule"), inWords(saved)],
      [t("saved.next"), saved.nextRunDateTime ? time(saved.nextRunDateTime) : null],
      [t("saved.last"), lastOf(saved, run)],
      [t("save.keep"), saved.keep ? String(saved.keep) : null],
      [t("compare"), saved.compare ? t("yes") : null],
    ]),
    saved.problem && element("p", { class: "error", dir: "auto" }, t("saved.problem", { problem: saved.problem })),
    element(
      "div",
      { class: "commands", role: "group", "aria-label": t("saved.commandsOf", { name }) },
      own && button(t("saved.run"), t("saved.runOf", { name }), "next", () => start(name), "primary"),
      own && button(t("saved.edit"), t("saved.editOf", { name }), "edit", () => edit(name)),
      button(t("delete"), t("saved.deleteOf", { name }), "delete", () => remove(saved)),
    ),
  );
}

// Its status and time; of one that was not looked up the planned time.
function lastOf({ lastRun }, run) {
  if (run) return element("a", { class: "run", href: `#${run.id}` }, ...stateOf(run));
  return run === undefined && lastRun ? element("a", { class: "run", href: `#${lastRun.id}` }, time(lastRun.plannedDateTime)) : t("saved.never");
}

const stateOf = (run) => [statusChip(run), time(run.createdDateTime)];

function facts(pairs) {
  const list = element("dl", { class: "facts" });
  for (const [term, value] of pairs) if (value) list.append(element("dt", {}, term), element("dd", { dir: "auto" }, value));
  return list;
}

// Runs a command once at a time and shows its problem.
async function act(button, action) {
  if (isBusy(button)) return;
  setBusy(button, true);
  try {
    await action();
    showProblem(find("saved-problem"), null);
  } catch (problem) {
    showProblem(find("saved-problem"), problem);
    find("saved-problem").scrollIntoView({ block: "nearest" });
  } finally {
    setBusy(button, false);
    if (dialog.open) keepFocus(button);
  }
}

async function start(name) {
  announce(t("said.starting"));
  const { id } = await call("POST", "exports", JSON.stringify({ saved: name }));
  dialog.close();
  await report.started(id);
}

async function edit(name) {
  await report.edit(await call("GET", `saved-exports/${name}`));
}

async function remove({ name, owner }) {
  if (!(await confirm(t("saved.delete.title"), t("saved.delete.text", { name }), t("delete"), t("delete.no")))) return;
  await call("DELETE", `saved-exports/${name}?${new URLSearchParams({ owner: owner.id })}`);
  find("saved-title").focus();
  await load();
  announce(t("saved.deleted", { name }));
}
