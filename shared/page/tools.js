// Shared by the other scripts: calls to the API, elements, and texts of values.
// Every value gets into the page as text. No script makes markup out of data.

const API = new URL("../", import.meta.url);
const SVG = "http://www.w3.org/2000/svg";
const TIMEOUT = 60_000;

export const RUNNING = new Set(["NotStarted", "InProgress"]);
export const STATUS_TEXTS = {
  NotStarted: "Not started",
  InProgress: "In progress",
  Completed: "Completed",
  CompletedWithErrors: "Completed with errors",
  Failed: "Failed",
  Cancelled: "Cancelled",
};

// An answer that is not a success. `status` 0: there was no answer.
export class Problem extends Error {
  constructor(status, title, detail, errors = []) {
    super(detail || title);
    Object.assign(this, { status, title, detail, errors });
  }
}

// Calls the API: the JSON body, or throws a Problem. A failed export answers 500 with its results; that is not a Problem.
export async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(new URL(path, API), {
      method,
      body,
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      // App Service Authentication refuses a POST without Referer as forged; other sites still get none.
      referrerPolicy: "same-origin",
      // It may redirect to the sign-in page, and a script can't follow that.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new Problem(0, "The API can't be reached", "Check your connection, or try again in a moment.");
  }
  if (response.type === "opaqueredirect") throw new Problem(401, "Not signed in", "Your sign-in has ended.");
  let json = null;
  try {
    const text = await response.text();
    json = text ? JSON.parse(text) : null;
  } catch {
    if (response.ok) throw new Problem(response.status, "The answer can't be read", "The API did not send JSON.");
  }
  if (response.ok || (response.status === 500 && json?.id)) return json;
  const title = json?.title || `The API answered ${response.status}`;
  throw new Problem(response.status, title, json?.detail || response.statusText, json?.errors);
}

// element("p", { class: "hint", onclick: f, hidden: true }, "text", another)
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function statusChip(status) {
  return element("span", { class: `chip ${status in STATUS_TEXTS ? status : ""}` }, icon(status), STATUS_TEXTS[status] ?? status);
}

// The bar of a running export, with rate and time left. It is made once and then updated: screen readers keep their place.
export function progressBar(name) {
  const fill = element("span", { class: "fill" });
  const bar = element("div", { class: "bar", role: "progressbar", "aria-label": `Progress of ${name}` }, fill);
  const text = element("span", { class: "progress-text" });
  const whole = element("div", { class: "progress" }, bar, text);
  whole.update = (progress) => {
    const { exported = 0, expected, usersPerSecond } = progress ?? {};
    const part = expected ? Math.min(1, exported / expected) : null;
    let says = expected ? `${number(exported)} of ${number(expected)}` : exported ? number(exported) : "Counting users";
    if (usersPerSecond) says += ` · ${number(Math.round(usersPerSecond))}/s`;
    if (usersPerSecond && expected > exported) says += ` · ${seconds((expected - exported) / usersPerSecond)} left`;
    text.textContent = says;
    bar.classList.toggle("unknown", part === null);
    fill.style.width = part === null ? "" : `${part * 100}%`;
    bar.setAttribute("aria-valuetext", says);
    if (part === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.floor(part * 100));
  };
  return whole;
}

// A problem as text in `box`; with a link to sign in when that is missing.
export function showProblem(box, problem, retry) {
  box.replaceChildren();
  box.hidden = !problem;
  if (!problem) return;
  box.append(element("strong", {}, problem.title || "Something went wrong"), element("span", {}, problem.detail || problem.message));
  if (problem.status === 401) {
    const back = encodeURIComponent(location.pathname + location.hash);
    box.append(element("a", { class: "button primary", href: `/.auth/login/aad?post_login_redirect_uri=${back}` }, "Sign in"));
  } else if (retry && problem.status !== 403) {
    box.append(element("button", { type: "button", onclick: retry }, "Try again"));
  }
}

// Tells screen readers. They don't hear what is behind an open dialog, so each dialog has its own place for this.
export function announce(text) {
  const open = [...document.querySelectorAll("dialog[open] > [role=status]")].pop();
  (open ?? document.getElementById("status")).textContent = text;
}

const dialog = () => document.getElementById("confirm");

// Asks in a dialog; the harmless answer has the focus. Resolves to true or false.
export function confirm(title, text, yes, no) {
  document.getElementById("confirm-title").textContent = title;
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-yes").textContent = yes;
  document.getElementById("confirm-no").textContent = no;
  return new Promise((resolve) => {
    const agree = document.getElementById("confirm-yes");
    const accept = () => dialog().close("yes");
    agree.addEventListener("click", accept);
    dialog().returnValue = "";
    dialog().addEventListener("close", () => {
      agree.removeEventListener("click", accept);
      resolve(dialog().returnValue === "yes");
    }, { once: true });
    dialog().showModal();
    document.getElementById("confirm-no").focus();
  });
}

// Downloads one of an export's files through a new link. Such links end soon, and are stored nowhere.
export async function download(id, file) {
  const { download: links } = await call("GET", `exports/${id}`);
  const link = links?.[file];
  if (!link || !/^https?:$/.test(new URL(link).protocol)) {
    throw new Problem(0, "No file", "This export has no such file.");
  }
  element("a", { href: link, rel: "noreferrer", download: true }).click();
}

const NUMBERS = new Intl.NumberFormat();
const DATES = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const number = (value) => (value === null || value === undefined ? "–" : NUMBERS.format(value));

export function time(iso) {
  const date = new Date(iso ?? NaN);
  return Number.isNaN(date.valueOf()) ? "–" : element("time", { datetime: iso, title: iso }, DATES.format(date));
}

export function seconds(value) {
  const whole = Math.max(0, Math.round(value));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export const duration = (operation) =>
  operation.completedDateTime ? seconds((new Date(operation.completedDateTime) - new Date(operation.createdDateTime)) / 1000) : "–";

export function bytes(value) {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: value < 10 && unit ? 1 : 0 })} ${units[unit]}`;
}

export const nameOf = (operation) => operation.file?.name ?? `${operation.request?.fileName ?? operation.id}.csv`;
