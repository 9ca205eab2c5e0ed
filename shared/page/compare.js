// Comparing two exports: which are ticked in the list, and what a comparison says of itself in the details.

import { call, showProblem } from "./api.js";
import { element, find, isBusy, setBusy } from "./dom.js";
import { isRunning, nameOf } from "./operation.js";
import { number, t } from "./words.js";

const ticked = new Set();
let report = {}; // `started(id)`: this comparison was started.

export const isComparison = (operation) => operation.type === "comparison";
export const canCompare = (operation) => Boolean(operation.file) && !isRunning(operation) && !isComparison(operation);

export function setUp(callbacks) {
  report = callbacks;
  find("compare").addEventListener("click", start);
}

// The box of a row; nothing where there is no file to compare.
export function tickBox(operation) {
  if (!canCompare(operation)) return null;
  const change = ({ currentTarget }) => {
    if (currentTarget.checked) ticked.add(operation.id);
    else ticked.delete(operation.id);
    tell();
  };
  return element("input", {
    type: "checkbox",
    checked: ticked.has(operation.id),
    "aria-label": t("compare.tick", { name: nameOf(operation) }),
    onchange: change,
  });
}

export function untick(id) {
  if (ticked.delete(id)) tell();
}

// The button is there as soon as one is ticked, and says that it takes two.
function tell() {
  find("compare").hidden = !ticked.size;
  find("compare-hint").hidden = !ticked.size || ticked.size === 2;
  setBusy(find("compare"), ticked.size !== 2);
}

async function start() {
  if (isBusy(find("compare"))) return;
  setBusy(find("compare"), true);
  // Ids sort newest first, but for their first digit.
  const [newer, older] = [...ticked].sort((one, other) => (one.slice(1) < other.slice(1) ? -1 : 1));
  try {
    const { id } = await call("POST", "comparisons", JSON.stringify({ old: older, new: newer }));
    for (const box of document.querySelectorAll("#rows input[type=checkbox]")) box.checked = false;
    ticked.clear();
    await report.started(id);
  } catch (problem) {
    showProblem(find("problem"), problem);
  } finally {
    tell();
  }
}

// Of the counts, what a comparison has: [label, number].
export const compareTiles = ({ added, removed, changed, unchanged }) => [
  [t("tile.added"), added],
  [t("tile.removed"), removed],
  [t("tile.changed"), changed],
  [t("tile.unchanged"), unchanged],
];

// How many users have changed in each column, as bars, most first.
export function changedColumns({ changedColumns: found = {} }) {
  const columns = Object.entries(found);
  if (!columns.length) return null;
  const most = Math.max(...columns.map(([, users]) => users));
  const bar = ([name, users]) => {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${(100 * users) / most}%`;
    return element("li", {}, element("code", { dir: "ltr" }, name), element("span", { class: "track", "aria-hidden": "true" }, fill), element("span", { class: "number" }, number(users)));
  };
  const title = t("details.changedColumns");
  return element("section", {}, element("h3", {}, title), element("ul", { class: "chart plain", "aria-label": title }, ...columns.map(bar)));
}

// What was compared, for the details' facts.
export function compareFacts({ request, columns = {} }) {
  const link = (id) => element("a", { href: `#${id}` }, element("code", {}, id));
  const names = (found) => (found?.length ? found.join(", ") : null);
  return [
    [t("fact.old"), link(request.old)],
    [t("fact.new"), link(request.new)],
    [t("fact.notRead"), names(columns.notRead)],
    [t("fact.onlyOld"), names(columns.onlyOld)],
    [t("fact.onlyNew"), names(columns.onlyNew)],
  ];
}
