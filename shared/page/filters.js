// Simple conditions that write the OData filter; who knows OData writes it directly.

import { find } from "./dom.js";

const quoted = (text) => `'${text.trim().replaceAll("'", "''")}'`;
const midnight = (date) => `${date}T00:00:00Z`;
const CONDITIONS = [
  ["filter-type", (value) => `userType eq ${quoted(value)}`],
  ["filter-enabled", (value) => `accountEnabled eq ${value}`],
  ["filter-department", (value) => `department eq ${quoted(value)}`],
  ["filter-created", (value) => `createdDateTime ge ${midnight(value)}`],
];
const SIGN_IN = "filter-sign-in";

export function setUp() {
  find("filter-rows").addEventListener("input", write);
}

// Graph combines a filter on the last sign-in with no other, so that one stands alone.
function write() {
  const lastSignIn = find(SIGN_IN).value;
  for (const [id] of CONDITIONS) find(id).disabled = Boolean(lastSignIn);
  const parts = CONDITIONS.filter(([id]) => find(id).value.trim()).map(([id, part]) => part(find(id).value));
  find(SIGN_IN).disabled = parts.length > 0 && !lastSignIn;
  find("odata").value = lastSignIn ? `signInActivity/lastSignInDateTime le ${midnight(lastSignIn)}` : parts.join(" and ");
}

export function reset() {
  for (const id of [...CONDITIONS.map(([each]) => each), SIGN_IN]) {
    find(id).value = "";
    find(id).disabled = false;
  }
}
