// Loaded into Azurite's process before Azurite itself, so that what it has acknowledged is not lost.
import { createRequire } from "node:module";
import { ServerResponse } from "node:http";

// Azurite writes its index (Loki) only every five seconds: killed in between, it forgets blobs that it had taken. Azure
// never does. So a request that changes something is answered when the index is written.
const loki = createRequire(process.env.AZURITE_MAIN)("lokijs").prototype;
const indexes = [];
const enable = loki.autosaveEnable;
loki.autosaveEnable = function (...rest) {
  indexes.push(this);
  return enable.apply(this, rest);
};

// Loki itself lets those who ask while it writes share the next write.
const saved = () =>
  Promise.all(
    indexes
      .filter((index) => index.autosaveDirty() || index.throttledSavePending)
      .map((index) => new Promise((done) => index.saveDatabase(done))),
  );

// The whole index is written each time, which costs the square of a blob's blocks: where nothing is killed it can be
// left out.
const keep = process.env.AZURITE_FORGETFUL ? [] : ["POST", "PUT", "PATCH", "DELETE"];
const end = ServerResponse.prototype.end;
ServerResponse.prototype.end = function (...rest) {
  if (!keep.includes(this.req.method)) return end.apply(this, rest);
  saved().then(() => end.apply(this, rest));
  return this;
};

// Ends Azurite in good order when the process that started it is gone, even by kill -9.
const watch = setInterval(() => {
  if (process.ppid === Number(process.env.AZURITE_PARENT)) return;
  clearInterval(watch);
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(1), 5000).unref();
}, 300);
watch.unref();
