// Loaded into Azurite's process before Azurite itself, so that what it has acknowledged is not lost.
import { createRequire } from "node:module";

// Azurite writes its index (Loki) only every five seconds: killed in between, it forgets blobs that it had taken.
const loki = createRequire(process.env.AZURITE_MAIN)("lokijs").prototype;
const enable = loki.autosaveEnable;
loki.autosaveEnable = function (...rest) {
  this.autosaveInterval = 200;
  return enable.apply(this, rest);
};

// Ends Azurite in good order when the process that started it is gone, even by kill -9.
const watch = setInterval(() => {
  if (process.ppid === Number(process.env.AZURITE_PARENT)) return;
  clearInterval(watch);
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(1), 5000).unref();
}, 300);
watch.unref();
