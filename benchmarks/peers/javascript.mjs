// `node benchmarks/peers/javascript.mjs TENANT OUT.csv SELECT`: Microsoft's Graph client for JavaScript and its
// PageIterator, as its documentation shows them.
import { createWriteStream, readFileSync } from "node:fs";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { Client, MiddlewareFactory, PageIterator } = require("@microsoft/microsoft-graph-client");

const [tenant, out, select] = process.argv.slice(2);
const names = select.split(",");
const top = 999;

const quoted = (value) => {
  const text = Array.isArray(value) ? value.join("; ") : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

// The client's own authentication sends a token over https only, so this replaces it. All else is its default.
class Token {
  async execute(context) {
    context.options.headers = { ...context.options.headers, Authorization: "Bearer dummy" };
    await this.next.execute(context);
  }
  setNext(next) {
    this.next = next;
  }
}

const [, ...others] = MiddlewareFactory.getDefaultMiddlewareChain({ getAccessToken: async () => "dummy" });
const client = Client.initWithMiddleware({ baseUrl: `${tenant}/`, middleware: [new Token(), ...others] });
// It takes a nextLink for a whole address only when that is https.
const following = { api: (link) => client.api(link.replace(`${tenant}/v1.0`, "")) };

const started = process.hrtime.bigint();
const before = process.cpuUsage();
const file = createWriteStream(out);
file.write(names.join(",") + "\r\n");
let users = 0;
const first = await client.api("/users").top(top).select(names).get();
const iterator = new PageIterator(following, first, (user) => {
  file.write(names.map((name) => quoted(user[name])).join(",") + "\r\n");
  users += 1;
  return true;
});
await iterator.iterate();
file.end();
await once(file, "finish");
const used = process.cpuUsage(before);
console.log(
  JSON.stringify({
    users,
    pages: Math.ceil(users / top),
    seconds: Number(process.hrtime.bigint() - started) / 1e9,
    rss: Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024,
    cpu: (used.user + used.system) / 1e6,
  }),
);
