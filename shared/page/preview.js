// What an export would give: how many users, the first of them, how long it takes, and what is missing.

import { element } from "./dom.js";
import { advice } from "./errors.js";
import { seconds, t } from "./words.js";

export function previewOf({ count, columns, rows, estimate, problems }) {
  const found = [
    count === null ? t("preview.uncounted") : t("progress.exported", { count }),
    estimate.seconds !== null && t("preview.time", { time: seconds(estimate.seconds) }),
    estimate.requests !== null && t("fact.retries", { count: estimate.requests }),
    estimate.perUserCalls > 0 && t("preview.calls", { count: estimate.perUserCalls }),
  ];
  return element(
    "section",
    { class: "preview", "aria-label": t("preview") },
    element("p", {}, element("strong", {}, found.filter(Boolean).join(" · "))),
    problems.length > 0 && element("ul", { class: "entries" }, ...problems.map(problemOf)),
    rows.length > 0 && firstRows(columns, rows),
  );
}

function problemOf({ code, reason, permission, column }) {
  const needs = permission && ` ${t("columns.permission", { permission })}`;
  return element("li", {}, element("strong", {}, column ?? code), element("span", {}, reason, needs || ""), !needs && advice(code, column));
}

// It is wide: it can be scrolled, also by keys.
function firstRows(columns, rows) {
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)));
  const lines = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", { dir: "auto" }, textOf(cell)))));
  const caption = element("caption", { class: "unseen" }, t("preview.rows"));
  const table = element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": t("preview.rows") }, table);
}

const textOf = (cell) => (cell === null ? "" : typeof cell === "object" ? JSON.stringify(cell) : String(cell));
