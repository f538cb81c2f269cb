// The words for how something is, each with a tone and a shape of its own: nothing is told by colour alone.

import { h, icon } from "./dom.js";
import { words } from "./format.js";

const TONES = {
  healthy: ["ok", "check"], running: ["ok", "check"], up: ["ok", "check"], ok: ["ok", "check"], synced: ["ok", "check"],
  resolved: ["ok", "check"], complete: ["ok", "check"], fresh: ["ok", "check"], sound: ["ok", "check"],
  restarted: ["note", "again"], opened: ["note", "dot"], new: ["note", "dot"], pending: ["note", "wait"], late: ["warn", "wait"],
  degraded: ["warn", "warn"], drift_warning: ["warn", "warn"], warning: ["warn", "warn"], stale: ["warn", "wait"],
  medium: ["warn", "warn"], partial: ["warn", "warn"], carried: ["warn", "again"], quarantined: ["warn", "pause"],
  paused: ["warn", "pause"], bursting: ["bad", "warn"], unhealthy: ["bad", "warn"], critical: ["bad", "cross"],
  failed: ["bad", "cross"], down: ["bad", "cross"], error: ["bad", "cross"], high: ["bad", "warn"], firing: ["bad", "bell"],
  drift_critical: ["bad", "warn"], sync_failed: ["bad", "cross"], trapped: ["bad", "cross"], timed_out: ["bad", "wait"],
  limit_exceeded: ["bad", "warn"], invalid: ["bad", "cross"], refused: ["bad", "cross"], missing: ["bad", "cross"],
  damaged: ["bad", "cross"], vanished: ["bad", "cross"], malformed: ["bad", "cross"], unreadable: ["bad", "cross"],
  maintenance: ["maintenance", "wrench"], silenced: ["mute", "mute"], unknown: ["mute", "question"],
  no_data: ["mute", "question"], low: ["note", "info"], info: ["mute", "info"], open: ["warn", "dot"],
};

export const tone = (word) => (TONES[word] ?? ["mute", "dot"])[0];

/** Glyph and word. */
export function badge(word, text) {
  const [colour, glyph] = TONES[word] ?? ["mute", "dot"];
  return h("span", { class: `badge ${colour}` }, icon(glyph), text ?? words(word));
}

/** The state of one daemon in a heartbeat, in the words of the dashboard. */
export function stateOf(daemon) {
  if (!daemon) return "no_data";
  return daemon.maintenance ? "maintenance" : daemon.state ?? daemon.status ?? "no_data";
}

/** How tall a cell is, so that a row of them can be read without colour. */
export const heightOf = (state) =>
  ({ failed: 1, critical: 1, unhealthy: 1, paused: 0.55, degraded: 0.75, late: 0.75, no_data: 0.18, unknown: 0.18, maintenance: 0.4 })[state] ?? 0.8;
