// Elements, announcements and questions.
// Every value gets into the page as text: nothing here, or elsewhere, makes markup out of data.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

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

// Says it to screen readers. What lies behind an open dialog is silent, so the dialog has a place of its own.
export function announce(text) {
  const open = [...document.querySelectorAll("dialog[open] > [role=status]")].pop();
  (open ?? find("status")).textContent = text;
}

// The focus is on nothing when what had it is gone: then it goes to `place`, or to the title of the open panel.
export function keepFocus(place) {
  if (document.activeElement && document.activeElement !== document.body) return;
  const panel = [...document.querySelectorAll("dialog[open]")].pop();
  (place?.isConnected && (!panel || panel.contains(place)) ? place : (panel?.querySelector("h2") ?? find("list"))).focus();
}

// Asks in a dialog; the harmless answer has the focus. Resolves to true or false.
export function confirm(title, text, yes, no) {
  const dialog = find("confirm");
  find("confirm-title").textContent = title;
  find("confirm-text").textContent = text;
  find("confirm-yes").textContent = yes;
  find("confirm-no").textContent = no;
  return new Promise((resolve) => {
    const accept = () => dialog.close("yes");
    find("confirm-yes").addEventListener("click", accept);
    dialog.returnValue = "";
    const closed = () => {
      find("confirm-yes").removeEventListener("click", accept);
      resolve(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed, { once: true });
    dialog.showModal();
    find("confirm-no").focus();
  });
}

// A button that puts a text on the clipboard, and says so.
export function copyButton(label, text, done) {
  const copy = async ({ currentTarget }) => {
    await navigator.clipboard.writeText(text());
    currentTarget.lastChild.textContent = done;
    announce(done);
  };
  return element("button", { type: "button", onclick: copy }, icon("copy"), label);
}

// A busy button keeps the focus, which a disabled one would lose.
export const setBusy = (button, busy) => button.setAttribute("aria-disabled", String(busy));
export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";
