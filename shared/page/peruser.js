// Says before an export starts how long its calls for single users take, as soon as a column is chosen that needs them.

import { call } from "./api.js";
import { find } from "./dom.js";
import { seconds, t } from "./words.js";

const WAIT = 500; // Until someone has stopped choosing.
let timer = 0;
let last = ""; // What was asked for: an older answer that comes late is dropped.

// `chosen()` gives the users and the columns with such calls, `{users?, filter?, columns}`; null when there are none.
export function update(chosen) {
  clearTimeout(timer);
  timer = setTimeout(() => ask(chosen()), WAIT);
}

async function ask(wanted) {
  const body = JSON.stringify(wanted);
  if (body === last) return;
  last = body;
  const box = find("per-user");
  box.hidden = true;
  if (!wanted) return;
  try {
    const { estimate } = await call("POST", "exports/preview", body);
    if (body !== last || !estimate.perUserCalls) return;
    box.textContent = t("perUser", { count: estimate.perUserCalls, time: seconds(estimate.seconds) });
    box.hidden = false;
  } catch {
    // What is wrong with the request is told when a person asks for the preview or the export.
    last = "";
  }
}
