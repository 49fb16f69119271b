// The pop-up with everything that is measured, here and by the server.

/** @typedef {import("./protocol").Welcome} Welcome */
/** @typedef {import("./protocol").Stats} Stats */

/**
 * @param {HTMLElement} root
 * @param {Welcome | null} welcome
 * @param {Stats | null} stats
 * @param {{parameters: number | null, overlay: number | null}} latency medians in milliseconds
 */
export function showDetails(root, welcome, stats, latency) {
  if (!root.matches(":popover-open")) return;
  const ms = (/** @type {number | null | undefined} */ value) => (value == null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
  /** @type {([string, string] | null)[]} */ const rows = [
    ["camera → parameters", ms(latency.parameters)],
    ["camera → overlay on screen", ms(latency.overlay)],
    null,
  ];
  if (stats) {
    rows.push(
      ["frames/s in, tracked, returned", [stats.received_fps, stats.tracked_fps, stats.returned_fps].map(Math.round).join(" · ")],
      ["overtaken by newer frames", String(stats.dropped)],
      ["picture", stats.size_px ? stats.size_px.join(" × ") : "–"],
      ["listeners", String(stats.watchers)],
      ...Object.entries(stats.stages_ms).map(([stage, { median, p95 }]) => /** @type {[string, string]} */ ([stage, `${median.toFixed(1)} ms (95 %: ${p95.toFixed(1)})`])),
      null,
    );
  }
  if (welcome) {
    rows.push(
      ["head", welcome.head.name],
      ["detector", welcome.detector],
      ["computed on", welcome.device],
      ["learned head kept", welcome.keep ? "yes, until forgotten" : "no, nothing is stored"],
      ["server", `Mien ${welcome.server}`],
    );
  } else {
    rows.push(["server", "not connected"]);
  }
  /** @type {HTMLElement} */ (root.querySelector("dl")).replaceChildren(...rows.map(row));
}

/** @param {[string, string] | null} entry */
function row(entry) {
  const made = document.createElement("div");
  if (!entry) {
    made.className = "rule";
    return made;
  }
  const [name, value] = ["dt", "dd"].map((tag) => document.createElement(tag));
  [name.textContent, value.textContent] = entry;
  made.append(name, value);
  return made;
}
