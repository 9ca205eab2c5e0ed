// Exports all users with openapi-fetch and what openapi-typescript has made of the contract. Argument: the address of the API.
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

type Export = components["schemas"]["Export"];
type ExportRequest = components["schemas"]["ExportRequest"];

const api = createClient<paths>({ baseUrl: process.argv[2] ?? "" });
const pause = () => new Promise((go) => setTimeout(go, 200));

/** The export when it has ended; a failed one is the `error` of its GET. */
async function run(body: ExportRequest): Promise<Export> {
  const started = await api.POST("/exports", { body });
  if (!started.data) throw new Error(started.error.detail);
  const id = started.data.id;
  for (;;) {
    const { data, error, response } = await api.GET("/exports/{id}", { params: { path: { id } } });
    if (data && response.status === 200) return data;
    if (error) {
      if ("title" in error) throw new Error(error.detail);
      return error;
    }
    await pause();
  }
}

const everyone: ExportRequest = {};
const done = await run({ ...everyone, columns: ["objectId", "userPrincipalName"], fileName: "typescript" });
if (!done.download?.csv) throw new Error("There is no link.");
const text = await (await fetch(done.download.csv)).text();
const failed = await run({ columns: "profile", filter: "noSuchProperty eq 'x'" });
const refused = await api.POST("/exports", { body: { fileName: "a/b" } });
const listed = await api.GET("/exports", { params: { query: { status: "Completed", top: 5 } } });
if (!listed.data?.value.some((each) => each.id === done.id)) throw new Error("It is not in the list.");
// One key, twelve different requests at the same moment.
const header = { "Idempotency-Key": "typescript" };
const posts = Array.from({ length: 12 }, (_, number) =>
  api.POST("/exports", { params: { header }, body: { columns: "profile", fileName: `at-once-${number}` } }),
);
const statuses = (await Promise.all(posts)).map((each) => each.response.status).sort();
const { data: catalog } = await api.GET("/columns");
if (!catalog?.sets.profile.includes("objectId")) throw new Error("The set profile lacks objectId.");
console.log(
  JSON.stringify({
    status: done.status,
    users: new Set(text.trimEnd().split("\r\n").slice(1)).size,
    counted: done.counts?.exported,
    reason: failed.error?.message,
    problem: refused.error?.detail,
    statuses,
  }),
);
