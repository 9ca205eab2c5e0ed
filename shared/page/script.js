// The page: what its address names is shown. `#new` is the form, `#saved` the saved exports, `#{id}` the details of one export; `?status=` and
// `?name=` are what the list is narrowed to.

import * as compare from "./compare.js";
import { announce, find, keepFocus } from "./dom.js";
import * as details from "./details.js";
import * as list from "./list.js";
import * as saved from "./saved.js";
import * as start from "./start.js";
import { fillTexts, t, zone } from "./words.js";

const ID = /^#([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const opened = () => ID.exec(location.hash)?.[1];

fillTexts(document);
find("zone").textContent = t("zone", { zone: zone() });

async function follow() {
  const id = opened();
  if (location.hash === "#new" && list.mayExport()) start.open();
  else start.close();
  if (location.hash === "#saved" && list.mayExport()) saved.open();
  else saved.close();
  if (!id) return details.close();
  details.begin(id, list.known(id));
  const problem = await list.update(id);
  if (problem && details.open() === id) details.fail(problem);
}

// Closing a panel takes its name out of the address, so that a reload does not open it again. The focus goes back to
// what opened it, which may be a new row for the same export by now.
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (dialog.id === "confirm") return;
    const id = opened();
    const own = { start: location.hash === "#new", saved: location.hash === "#saved", details: id };
    if (own[dialog.id]) history.replaceState(null, "", location.pathname + location.search);
    list.showTitle();
    const lost = document.activeElement === document.body || dialog.contains(document.activeElement);
    const opener = { start: find("new"), saved: find("open-saved") }[dialog.id];
    if (lost) (list.linkOf(id) ?? (opener && !find("commands").hidden ? opener : find("list"))).focus();
  });
}

async function started(id) {
  await list.showAll();
  announce(t("said.started"));
  list.linkOf(id)?.focus();
  keepFocus(find("list"));
}

details.setUp({
  changed: list.update,
  deleted: (id) => {
    list.forget(id);
    announce(t("said.deleted"));
    find("list").focus();
  },
  again: started,
});
start.setUp({
  started,
  saved: (name) => {
    location.hash = "saved";
    announce(t("said.saved", { name }));
  },
});
saved.setUp({
  started,
  edit: async (found) => {
    await start.fill(found);
    location.hash = "new";
  },
});
compare.setUp({ started });
list.setUp({
  refused: () => {
    start.close();
    saved.close();
  },
});
window.addEventListener("hashchange", follow);
follow();
list.begin();
