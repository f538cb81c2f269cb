// What an event is, for timelines and time bars.

const SEVERITY_TONE = { info: "mute", warning: "warn", error: "bad", critical: "bad" };

/** `daemons`, `findings`, `patches`, `alerts`, `other`, or `quiet`. */
export function groupOf(event) {
  switch (event.event_type) {
    case "daemon_check": return "daemons";
    case "anomaly": return event.data?.collector === "patch" ? "patches" : event.data?.collector === "daemon" ? "daemons" : "findings";
    case "alert": return "alerts";
    case "snapshot_start": case "snapshot_complete": case "heartbeat": case "cleanup": return event.severity === "info" ? "quiet" : "other";
    default: return "other";
  }
}

/** Tone and glyph. */
export function lookOf(event) {
  const { event_type: type, severity, message = "", data = {} } = event;
  const tone = SEVERITY_TONE[severity] ?? "mute";
  if (type === "daemon_check") {
    const glyph = { failed: "cross", restarted: "again", paused: "pause", running: "check" }[data?.status] ?? "dot";
    return { tone: data?.status === "running" ? "ok" : data?.status === "restarted" ? "note" : tone, glyph };
  }
  if (type === "anomaly" || type === "alert") {
    if (message.startsWith("resolved") || data?.state === "resolved") return { tone: "ok", glyph: "check" };
    return { tone: tone === "mute" ? "note" : tone, glyph: type === "alert" ? "bell" : "warn" };
  }
  if (type === "system_status") return { tone: data?.status === "healthy" ? "ok" : tone, glyph: data?.status === "healthy" ? "check" : "warn" };
  if (type === "clock_sync") return { tone, glyph: "wait" };
  if (type?.startsWith("snapshot")) return { tone, glyph: "box" };
  if (type === "config_update" || type === "collector") return { tone, glyph: "plug" };
  return { tone, glyph: tone === "bad" ? "cross" : "info" };
}
