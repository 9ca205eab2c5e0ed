// What an export would give: how many users, the first of them, how long it takes, and what is missing.

import { element, number, seconds } from "./tools.js";

export function previewOf({ count, columns, rows, estimate, problems }) {
  const found = [
    count === null ? "Graph does not count these users" : `${number(count)} ${count === 1 ? "user" : "users"}`,
    estimate.seconds === null ? null : `about ${seconds(estimate.seconds)}`,
    estimate.requests === null ? null : `${number(estimate.requests)} requests`,
    estimate.perUserCalls ? `${number(estimate.perUserCalls)} calls for single users` : null,
  ];
  return element(
    "section",
    { class: "preview", "aria-label": "Preview" },
    element("p", {}, element("strong", {}, found.filter(Boolean).join(" · "))),
    problems.length > 0 && element("ul", { class: "entries" }, ...problems.map(problemOf)),
    rows.length > 0 && firstRows(columns, rows),
  );
}

function problemOf({ code, reason, permission, column }) {
  const needs = permission && ` It needs the permission ${permission}.`;
  return element("li", {}, element("strong", {}, column ?? code), element("span", {}, reason, needs));
}

// It is wide: it can be scrolled, also by keys.
function firstRows(columns, rows) {
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)));
  const lines = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, textOf(cell)))));
  const table = element("table", {}, element("caption", { class: "unseen" }, "The first users"), element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": "The first users" }, table);
}

const textOf = (cell) => (cell === null ? "" : typeof cell === "object" ? JSON.stringify(cell) : String(cell));
