// One row of the list.

import { tickBox } from "./compare.js";
import { element, icon } from "./dom.js";
import { asked, duration, formatOf, isRunning, nameOf, progressBar, sameState, sizeOf, statusChip, time } from "./operation.js";
import { number, t } from "./words.js";

// `fetchFile(id)` is told when the file is wanted.
export function newRow(operation, fetchFile) {
  const row = element("tr", { role: "row", "data-id": operation.id });
  row.addEventListener("click", ({ target }) => {
    // The whole row opens; what is a control of its own, or text that someone has marked, does not.
    if (!target.closest("a, button, .tick") && !String(getSelection())) location.hash = operation.id;
  });
  row.show = (now, before) => {
    if (sameState(before, now)) tick(row, now);
    else fill(row, now, fetchFile);
  };
  row.show(operation);
  return row;
}

function fill(row, operation, fetchFile) {
  const name = nameOf(operation);
  const focused = row.contains(document.activeElement);
  const cell = (label, attributes, ...children) =>
    element("td", { role: "cell", "data-label": label, ...attributes }, ...children);
  row.bar = isRunning(operation) ? progressBar(name) : null;
  row.duration = cell(t("list.duration"), { class: "short" });
  const shownName = element("bdi", { class: "clamped", dir: "auto", title: name }, name);
  const fileName = operation.file
    ? element("button", { type: "button", class: "link", "aria-label": t("list.download", { name }), onclick: () => fetchFile(operation.id) }, icon("download"), shownName)
    : element("span", { class: "no-file" }, shownName);
  const about = [formatOf(operation), sizeOf(operation)].filter(Boolean).join(" · ");
  const who = operation.requestedBy?.name || operation.requestedBy?.id || "–";
  const box = tickBox(operation);
  row.replaceChildren(
    cell("", { class: box ? "tick" : "tick none" }, box),
    cell(t("list.name"), { class: "name" }, fileName, element("span", { class: "asked clamped", dir: "auto" }, asked(operation)), element("span", { class: "about" }, about)),
    cell(t("list.status"), { class: "state" }, statusChip(operation), row.bar),
    cell(t("list.started"), { class: "started" }, time(operation.createdDateTime), element("bdi", { class: "who clamped", dir: "auto", title: who }, who)),
    row.duration,
    cell(t("list.users"), { class: "number" }, number(operation.counts?.exported ?? operation.file?.rows)),
    cell(t("list.errors"), { class: operation.counts?.errors ? "number some" : "number" }, number(operation.counts?.errors)),
    cell("", { class: "open" }, element("a", { class: "details", href: `#${operation.id}`, "aria-label": t("list.detailsOf", { name }) }, t("list.details"), icon("next"))),
  );
  tick(row, operation);
  if (focused) row.querySelector(".details").focus();
}

function tick(row, operation) {
  row.bar?.update(operation);
  row.duration.textContent = duration(operation);
}
