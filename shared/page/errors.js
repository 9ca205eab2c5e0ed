// The warnings and errors of an export: what happened, and what to do.

import { copyButton, element } from "./dom.js";
import { adviceOf, number, t } from "./words.js";

const FEW = 3;

// What the code means and what to do; nothing for a code that is not known here.
export function advice(code, column) {
  const found = adviceOf(code, column);
  return found?.[1] && element("span", { class: "do" }, element("b", {}, `${t("advice.do")} `), found[1]);
}

export function entries(heading, found) {
  if (!found?.length) return null;
  const items = found.map((each) => element("li", {}, element("strong", {}, each.code), element("span", { dir: "auto" }, each.reason), advice(each.code)));
  return element("section", {}, element("h3", {}, heading), element("ul", { class: "entries" }, ...items));
}

// The bars count what is shown here, the first errors of maybe many more, and say so. A few are just listed.
export function errors({ errors: found = [], counts = {} }) {
  if (!found.length) return null;
  const all = Math.max(counts.errors ?? 0, found.length);
  const heading = all > found.length ? t("errors.first", { shown: found.length, count: all }) : t("errors.all", { count: all });
  const search = element("input", { type: "search", id: "search", placeholder: t("errors.search.hint"), autocomplete: "off", spellcheck: "false" });
  const count = element("p", { class: "hint", role: "status" });
  const rows = element("tbody", { role: "rowgroup" });
  const parts = ["errors.user", "errors.reason", "errors.column", "errors.request"];
  const head = element("tr", { role: "row" }, ...parts.map((part) => element("th", { role: "columnheader", scope: "col" }, t(part))));
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
    count.textContent = kept.length === list.length ? "" : t("errors.shown", { shown: kept.length, count: list.length });
    table.hidden = kept.length === 0;
  }
  search.addEventListener("input", filter);
  filter();
  return element(
    "section",
    {},
    element("h3", {}, heading),
    all > found.length && element("p", { class: "hint" }, t("errors.file")),
    whatToDo(found),
    ...(found.length > FEW ? [chart, element("label", { class: "search", for: "search" }, t("errors.search"), search)] : []),
    count,
    table,
  );
}

// Once a code, above the list: the same advice in a hundred rows would be read in none.
function whatToDo(found) {
  const known = new Map();
  for (const { code, column } of found) {
    const told = advice(code, column);
    if (told) known.set(`${code} ${told.textContent}`, element("li", {}, element("strong", {}, code), element("span", {}, adviceOf(code, column)[0]), told));
  }
  return known.size > 0 && element("ul", { class: "entries advice" }, ...known.values());
}

function errorRow(error) {
  const cell = (label, ...children) => element("td", { role: "cell", "data-label": label }, ...children);
  const user = error.userPrincipalName ?? error.user ?? "–";
  return element(
    "tr",
    { role: "row" },
    cell(t("errors.user"), element("bdi", { title: error.user ?? "", dir: "auto" }, user)),
    cell(t("errors.reason"), element("strong", { class: "code" }, error.code), element("span", { class: "reason", dir: "auto" }, error.reason)),
    cell(t("errors.column"), ...(error.column ?? "–").split(", ").map((column) => element("span", { class: "each" }, column))),
    cell(t("errors.request"), error.requestId ? copyButton(t("copyId"), () => error.requestId, t("copied")) : "–"),
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
      { type: "button", "aria-pressed": "false", title: t("errors.only"), onclick: switched },
      element("span", { class: "code" }, code),
      element("span", { class: "track" }, fill),
      element("span", { class: "number" }, number(count)),
    );
  });
  return element("ul", { class: "chart", "aria-label": t("errors.byCode") }, ...buttons.map((button) => element("li", {}, button)));
}
