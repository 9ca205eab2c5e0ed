// What is wrong with a form, shown at its fields; the first one gets the focus, which brings it into view.

import { announce, element, find } from "./dom.js";
import { t } from "./words.js";

const SHOWN_PROBLEMS = 5;
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// `errors` are `{pointer, detail}`. True when all of them have a field.
export function showErrors(form, errors) {
  for (const old of form.querySelectorAll(".error")) old.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.setAttribute("aria-describedby", control.getAttribute("aria-describedby").replace(/error-\S+ ?/, ""));
  }
  const byField = new Map();
  for (const error of errors) {
    const field = [...form.querySelectorAll("[data-pointer]")].find(
      (each) => !each.hidden && `/${error.pointer.split("/")[1]}` === each.dataset.pointer,
    );
    byField.set(field, [...(byField.get(field) ?? []), error.detail]);
  }
  for (const [field, details] of byField) if (field) showAtField(field, details);
  find("form-note").textContent = errors.length ? correctionsText(errors.length) : "";
  const first = form.querySelector("[aria-invalid]");
  first?.focus();
  first?.closest(".field").scrollIntoView({ block: "nearest" });
  form.querySelector(".error")?.scrollIntoView({ block: "nearest" });
  return errors.length > 0 && !byField.has(undefined);
}

const correctionsText = (count) => (find("save").checked ? t("save.corrections", { count }) : t("form.corrections", { count }));

function showAtField(field, details) {
  const more = details.length - SHOWN_PROBLEMS;
  const lines = details.slice(0, SHOWN_PROBLEMS).map((detail) => element("span", { dir: "auto" }, sentence(detail)));
  if (more > 0) lines.push(element("span", {}, t("form.more", { count: more })));
  const id = `error${field.dataset.pointer.replace("/", "-")}`;
  const control = field.querySelector("[name=columns]:checked") ?? field.querySelector("textarea") ?? field.querySelector("input, select");
  const text = element("p", { class: "error", id }, ...lines);
  if (control.type === "checkbox") field.append(text);
  else if (control.type === "radio") control.closest("label").after(text);
  else control.after(text);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", `${id} ${control.getAttribute("aria-describedby") ?? ""}`);
  announce(details.map(sentence).join(" "));
}
