// What this Playwright asks of Firefox that a Firefox of long support does not know yet: it cannot
// pretend that a reader prefers dark pages, and its downloads have no number but their address.
// Node.js reads this before Playwright's driver (`playwright` in browser.py).
const {Module} = require("node:module"), {_compile: compile} = Module.prototype;
const MEDIA = /await [\w.]+\.send\("emulation\.setMediaFeaturesOverride", \{[^]*?\n\s+\}\);/g;

Module.prototype._compile = function (text, name, ...more) {
  const known = !name.endsWith("coreBundle.js") ? text : text.replace(MEDIA, "")
    .replaceAll("!event.download && !event.navigation", "!event.url")
    .replaceAll("event.download ?? event.navigation,",
      "event.download ?? event.navigation ?? event.url,");
  return compile.call(this, known, name, ...more);
};
