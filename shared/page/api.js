// Calls to the API, and what is shown when one fails.

import { element } from "./dom.js";
import { t } from "./words.js";

const API = new URL("../", import.meta.url);
const TIMEOUT = 60_000;

// An answer that is no success. `status` 0: no answer at all.
export class Problem extends Error {
  constructor(status, title, detail, errors = []) {
    super(detail || title);
    Object.assign(this, { status, title, detail, errors });
  }
}

// Calls the API: the JSON body, or throws a Problem. A failed export answers 500 with its results, which is no problem.
export async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(new URL(path, API), {
      method,
      body,
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      // App Service Authentication refuses a POST without Referer as forged; other sites still get none.
      referrerPolicy: "same-origin",
      // It may answer with the way to the sign-in page, which a script can't follow.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new Problem(0, t("problem.away"), t("problem.away.do"));
  }
  if (response.type === "opaqueredirect") throw new Problem(401, t("problem.signedOut"), t("problem.signedOut.do"));
  let json = null;
  try {
    const text = await response.text();
    json = text ? JSON.parse(text) : null;
  } catch {
    if (response.ok) throw new Problem(response.status, t("problem.unreadable"), t("problem.unreadable.do"));
  }
  if (response.ok || (response.status === 500 && json?.id)) return json;
  const title = json?.title || t("problem.status", { status: String(response.status) });
  throw new Problem(response.status, title, json?.detail || response.statusText, json?.errors);
}

// A problem as text in `box`; when the sign-in is missing, with the way to it.
export function showProblem(box, problem, retry) {
  box.replaceChildren();
  box.hidden = !problem;
  if (!problem) return;
  box.append(element("strong", {}, problem.title || t("problem.any")), element("span", {}, problem.detail || problem.message));
  if (problem.status === 401) {
    const back = encodeURIComponent(location.pathname + location.search + location.hash);
    box.append(element("a", { class: "button primary", href: `/.auth/login/aad?post_login_redirect_uri=${back}` }, t("signIn")));
  } else if (retry && problem.status !== 403) {
    box.append(element("button", { type: "button", onclick: retry }, t("tryAgain")));
  }
}

// Downloads one of an export's files through a link made for this moment; such links end soon and are kept nowhere.
export async function download(id, file) {
  const { download: links } = await call("GET", `exports/${id}`);
  const link = links?.[file] ?? (file === "file" ? links?.csv : null);
  if (!link || !/^https?:$/.test(new URL(link).protocol)) throw new Problem(0, t("problem.noFile"), t("problem.noFile.do"));
  element("a", { href: link, rel: "noreferrer", download: true }).click();
}
