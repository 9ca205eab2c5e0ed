// The columns of the form: a set, or chosen one by one with what each means, costs and needs.

import { call } from "./api.js";
import { element, find } from "./dom.js";
import { aboutColumn, has, t } from "./words.js";

let columns = [];
let sets = {};
let order = []; // Of the columns of a saved export: the file keeps it.
let boxes = new Map(); // header -> its checkbox

export const loaded = () => columns.length > 0;

export async function load() {
  ({ sets, columns } = await call("GET", "columns"));
  columns = columns.map((each) => ({ ...each, description: aboutColumn(each.header, each.description), group: groupName(each.group) }));
  boxes = new Map(columns.map(({ header }) => [header, element("input", { type: "checkbox", name: "column", value: header })]));
  const names = Object.keys(sets);
  find("sets").replaceChildren(...names.map((name, at) => setChoice(name, sets[name], at === 0)));
  find("begin-with").replaceChildren(
    element("option", { value: "" }, t("columns.begin")),
    ...names.map((name) => element("option", { value: name }, name)),
    element("option", { value: "-" }, t("columns.nothing")),
  );
  const byGroup = grouped(columns);
  find("groups").replaceChildren(...[...byGroup].map(([title, found]) => columnGroup(title, found)));
  find("begin-with").addEventListener("change", () => {
    check(sets[find("begin-with").value] ?? []);
    find("begin-with").value = "";
  });
  find("columns-search").addEventListener("input", search);
  find("columns").addEventListener("change", count);
  count();
}

function grouped(all) {
  const found = new Map();
  for (const each of all) found.set(each.group, [...(found.get(each.group) ?? []), each]);
  return found;
}

const groupName = (group) => (has(`group.${group}`) ? t(`group.${group}`) : group);

function setChoice(name, headers, checked) {
  const ids = { "aria-labelledby": `set-${name}`, "aria-describedby": `set-${name}-hint` };
  const label = element("span", { id: `set-${name}` }, element("b", {}, name), ` · ${t("columns.count", { count: headers.length })}`);
  const hint = element("small", { id: `set-${name}-hint` }, has(`set.${name}`) ? t(`set.${name}`) : "");
  return element("label", { class: "choice" }, element("input", { type: "radio", name: "columns", value: name, checked, ...ids }), element("span", {}, label, hint));
}

// A group with a box for all of it, which shows when only some are chosen.
function columnGroup(title, found) {
  const all = element("input", { type: "checkbox", "aria-label": t("columns.allOf", { group: title }) });
  const costs = [...new Set(found.map((each) => each.cost))].filter((cost) => cost !== "none");
  const permissions = [...new Set(found.map((each) => each.permission).filter(Boolean))];
  const hints = [...costs.map((cost) => t(`cost.${cost}`)), ...permissions.map((permission) => t("columns.permission", { permission }))];
  const group = element(
    "fieldset",
    { class: "columns" },
    element("legend", {}, element("label", {}, all, title)),
    hints.length > 0 && element("p", { class: "hint" }, hints.join(" ")),
    element("div", { class: "boxes" }, ...found.map(columnChoice)),
  );
  all.addEventListener("change", () => {
    for (const { header } of found) if (!boxes.get(header).closest(".choice").hidden) boxes.get(header).checked = all.checked;
  });
  group.update = () => {
    const checked = found.filter(({ header }) => boxes.get(header).checked).length;
    all.checked = checked === found.length;
    all.indeterminate = checked > 0 && checked < found.length;
  };
  return group;
}

function columnChoice({ header, description }) {
  const id = `column-${header}`;
  const box = boxes.get(header);
  box.setAttribute("aria-labelledby", id);
  if (description) box.setAttribute("aria-describedby", `${id}-about`);
  return element("label", { class: "choice" }, box, element("span", {}, element("span", { id }, header), description && element("small", { id: `${id}-about` }, description)));
}

function search() {
  const words = find("columns-search").value.toLowerCase().split(/\s+/);
  for (const column of columns) {
    const text = [column.header, column.description, column.group].join(" ").toLowerCase();
    boxes.get(column.header).closest(".choice").hidden = !words.every((word) => text.includes(word));
  }
  let shown = 0;
  for (const group of find("groups").children) {
    const found = group.querySelectorAll(".boxes > :not([hidden])").length;
    group.hidden = !found;
    shown += found;
  }
  find("columns-none").hidden = shown > 0;
}

function count() {
  for (const group of find("groups").children) group.update();
  find("columns-count").textContent = t("columns.chosen", { chosen: chosen().length, count: columns.length });
}

const chosen = () => [...boxes.values()].filter((box) => box.checked).map((box) => box.value);
// Names that no list has, because only this tenant knows them.
const ofTenant = () => find("tenant-columns").value.split(/[,;\s]+/).filter(Boolean);

// Of what is chosen, the columns that need a call for each user.
export function perUser(set) {
  const wanted = new Set(set ? sets[set] : chosen());
  return columns.filter(({ header, cost }) => cost === "user" && wanted.has(header)).map(({ header }) => header);
}

function check(headers) {
  for (const [header, box] of boxes) box.checked = headers.includes(header);
  count();
}

// What the request says: a set's name, a list, or nothing while the columns could not be loaded.
export function read(set) {
  if (set) return set;
  if (!loaded()) return undefined;
  const names = [...chosen(), ...ofTenant()];
  return [...order.filter((name) => names.includes(name)), ...names.filter((name) => !order.includes(name))];
}

// Chooses what a request has: a set's name, also alone in a list, or names. Nothing: the default set.
export function fill(wanted) {
  if (!wanted) return;
  const names = [wanted].flat();
  const set = names.length === 1 && names[0] in sets ? names[0] : "";
  // By its attribute: the value of all radio buttons of a name can't be set to nothing.
  find("form").querySelector(`[name=columns][value="${CSS.escape(set)}"]`).checked = true;
  if (set) return;
  order = names;
  check(names);
  find("tenant-columns").value = names.filter((name) => !boxes.has(name)).join(", ");
}

export function reset() {
  order = [];
  check([]);
  find("columns-search").value = "";
  search();
}
