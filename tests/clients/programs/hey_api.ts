// Exports all users with what @hey-api/openapi-ts has made of the contract. Argument: the address of the API.
import { client } from "./made_by_hey_api/client.gen.js";
import { type Export, type ExportRequest, showExport, startExport } from "./made_by_hey_api/index.js";

client.setConfig({ baseUrl: process.argv[2] ?? "" });

async function run(body: ExportRequest): Promise<Export> {
  const started = await startExport({ body });
  if (!started.data) throw new Error(started.error.detail);
  for (;;) {
    const { data, error, response } = await showExport({ path: { id: started.data.id } });
    if (error && "title" in error) throw new Error(error.detail);
    if (error) return error;
    if (response?.status === 200) return data;
    await new Promise((go) => setTimeout(go, 200));
  }
}

const done = await run({ columns: ["objectId", "userPrincipalName"], fileName: "hey" });
const text = await (await fetch(done.download?.csv ?? "")).text();
const failed = await run({ columns: "profile", filter: "noSuchProperty eq 'x'" });
const refused = await startExport({ body: { fileName: "a/b" } });
console.log(
  JSON.stringify({
    status: done.status,
    users: new Set(text.trimEnd().split("\r\n").slice(1)).size,
    counted: done.counts?.exported,
    reason: failed.error?.message,
    problem: refused.error?.detail,
  }),
);
