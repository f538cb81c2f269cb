// One daemon: how it is, was, and how dependable it has been.

import { all, findSeries, get, part } from "../api.js";
import { beatBar } from "../beats.js";
import { TimeGroup, timeChart } from "../chart.js";
import { h, icon, put, s } from "../dom.js";
import * as f from "../format.js";
import { BEATS } from "../live.js";
import { read } from "../machine.js";
import { badge, heightOf, stateOf, tone } from "../states.js";
import * as tip from "../tip.js";
import { choice, empty, facts, figure, head, load, panel, table, when } from "../ui.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SPANS = [["1", "1 h"], ["24", "24 h"], ["168", "7 d"], ["720", "30 d"]];

export function view(context) {
  const { live } = context;
  const name = context.rest[0];
  const known = () => live.daemons.find((daemon) => daemon.name === name);
  if (!known()) return h("div", {}, head(name ?? "Daemon"), empty("No daemon of this name is watched."));
  const state = h("span");
  const bar = beatBar(`The last ${BEATS} heartbeats of ${name}`, BEATS, { tall: true });
  const figures = h("div", { class: "figures" });
  const details = h("div");
  const why = h("p", { class: "soft" });
  const drawNow = () => {
    const daemon = known();
    if (!daemon) return;
    put(state, badge(stateOf(daemon)));
    bar.set(daemon.beats);
    const { ping, heartbeat_file: sign } = daemon;
    put(figures, figure("pid", daemon.pid ?? f.NOTHING), figure("CPU", f.percent(daemon.cpu_percent)), figure("Memory", f.bytes(daemon.memory_bytes)), figure("Running for", f.duration(daemon.uptime_seconds)), figure("Restarts", f.number(daemon.restart_count)),
      ping && figure("Ping", [f.duration((ping.latency_ms ?? NaN) / 1000), h("small", {}, ` ${ping.outcome}`)]),
      ping && f.isNumber(ping.p95_ms) && figure("Ping min / p50 / p95", [ping.min_ms, ping.median_ms, ping.p95_ms].map((ms) => f.duration(ms / 1000)).join(" / ")),
      sign && figure("Heartbeat file", [f.words(sign.state), h("small", {}, f.isNumber(sign.age_seconds) && ` ${f.duration(sign.age_seconds)} old`, sign.says && `, says ${sign.says}`)]),
      ping?.certificate_expires_at && figure("Certificate", [h("small", {}, "until "), f.day(ping.certificate_expires_at), h("small", {}, ` ${f.ago(ping.certificate_expires_at, live.now())}`)]));
    put(why, [daemon.reason ?? daemon.why, ping?.detail, sign?.detail].filter(Boolean).join("; "));
  };
  drawNow();
  live.on(context, "heartbeat refreshed", drawNow);

  const uptime = h("div");
  load(uptime, get(`/daemons/${part(name)}`, { beats: 0 }, { signal: context.signal }), (daemon) =>
    panel("Uptime", { sub: "of the heartbeats that count: not maintenance, not what nobody saw" }, h("div", { class: "figures" },
      (daemon.uptime ?? []).map((one) => figure(`${one.days === 1 ? "24 hours" : `${one.days} days`}`, [f.uptime(one.percent === null ? undefined : one.percent / 100), h("small", {}, ` of ${f.number(one.counted)} beats`)])))));
  load(details, get("/sections/daemon", undefined, { signal: context.signal }).catch(() => undefined), (latest) => {
    const row = latest?.body.daemons?.find((one) => one.name === name);
    return row && panel("Process", {}, facts([["command line", row.command_line && h("code", { class: "wrap" }, row.command_line)], ["found by", row.matched_by], ["unit", row.unit], ["started", when(row.started_at)], ["user id", row.uid], ["threads", f.number(row.threads)], ["open files", f.number(row.open_files)],
      ["last exit", row.last_exit && [`process ${row.last_exit.pid} `, row.last_exit.signal !== undefined ? `by signal ${row.last_exit.signal}` : row.last_exit.code !== undefined ? `with status ${row.last_exit.code}` : "", ", ", when(row.last_exit.at)]], ["why", row.reason]]));
  });
  return h("div", { class: "stack" },
    h("div", { class: "head" }, h("a", { href: "#/now" }, icon("left"), " Now"), h("h1", {}, name), state),
    panel("Now", {}, h("div", { class: "stack" }, bar.element, figures, why)), uptime, days(context, name), history(context, name), incidents(context, name), details);
}

/** A cell for each of the last 90 days. */
function days(context, name) {
  const place = h("div", { class: "days" });
  const start = new Date(context.live.now());
  start.setHours(0, 0, 0, 0);
  const first = start.getTime() - 89 * DAY;
  get(`/daemons/${part(name)}/history`, { since: new Date(first), points: 2160 }, { signal: context.signal }).then(({ items }) => {
    const sums = Array.from({ length: 90 }, () => ({ up: 0, down: 0, all: 0 }));
    for (const stretch of items) {
      const sum = sums[Math.floor((f.ms(stretch.at) - first) / DAY)];
      if (!sum) continue;
      const of = (word) => stretch.states[word] ?? 0;
      sum.all += Object.values(stretch.states).reduce((total, count) => total + count, 0) - of("unknown") - of("no_data");
      sum.up += of("running") + of("restarted") + of("up");
      sum.down += of("failed") + of("down");
    }
    put(place, sums.map((sum, index) => {
      const share = sum.all > 0 ? Math.min(1, sum.up / sum.all) : undefined;
      const word = share === undefined ? "" : sum.down ? "bad" : share < 0.999 ? "warn" : "ok";
      const text = `${f.day(first + index * DAY)}: ${share === undefined ? "nothing recorded" : `up ${f.uptime(share)}`}`;
      return h("i", { class: share === undefined ? "" : `has ${word}`, title: text });
    }));
    place.setAttribute("role", "img");
    const seen = sums.filter((sum) => sum.all > 0);
    place.setAttribute("aria-label", `The last 90 days: recorded on ${seen.length}, with failures on ${seen.filter((sum) => sum.down).length}`);
  }, () => {});
  return panel("90 days", { sub: "full green: up all day; a red foot: it failed; short grey: nothing recorded" }, place);
}

/** States and figures over a while, on one axis. */
function history(context, name) {
  const { live } = context;
  const group = new TimeGroup({ from: live.now() - DAY, to: live.now(), zoomed: () => draw() });
  const chart = (title, options) => timeChart(group, { title, height: 110, low: 0, ...options });
  const charts = { cpu: chart("CPU", { format: f.percent }), memory: chart("Memory", { format: f.bytes, bytes: true, area: true }), ping: chart("Ping", { format: f.byUnit("s") }) };
  context.onEnd(() => Object.values(charts).forEach((one) => one.end()));
  charts.ping.element.hidden = true;
  const strip = stateStrip(group);
  const draw = async () => {
    const { from, to } = group;
    const { items } = await get(`/daemons/${part(name)}/history`, { since: new Date(from), until: new Date(to), points: 400 }, { signal: context.signal });
    const curve = (key) => items.flatMap((one) => {
      const summary = one[key];
      return summary ? [{ t: f.ms(one.at) + one.width_seconds * 500, v: summary.mean, min: summary.min, max: summary.max, width: one.width_seconds * 1000 }] : [];
    });
    charts.cpu.set([{ name: "of one processor", points: curve("cpu_percent") }]);
    charts.memory.set([{ name: "resident", points: curve("memory_bytes") }]);
    strip.set(items);
    const pings = (await Promise.all(["daemon.ping.latency", "daemon.ping.duration"].map((metric) => findSeries(metric, { name })))).flat();
    charts.ping.element.hidden = pings.length === 0;
    if (pings.length) charts.ping.set((await read(pings, from, to, context)).map((one) => ({ ...one, name: "answer" })));
  };
  const go = () => draw().catch(() => {});
  go();
  return panel("History", { tools: choice("How far back", SPANS, "24", (hours) => {
    group.past.length = 0;
    group.window(live.now() - hours * HOUR, live.now());
    go();
  }) }, h("div", { class: "stack" }, strip.element, Object.values(charts).map((one) => one.element)));
}

function stateStrip(group) {
  const svg = s("svg", { class: "strip", viewBox: "0 0 1000 22", preserveAspectRatio: "none", role: "img" });
  let items = [];
  const worst = (states) => ["failed", "down", "paused", "degraded", "late", "restarted", "no_data", "unknown"].find((word) => states[word] > 0) ?? "running";
  const draw = () => {
    const x = (t) => ((t - group.from) / (group.to - group.from)) * 1000;
    const merged = [];
    items.forEach((one, index) => {
      const [from, state] = [f.ms(one.at), one.maintenance > 0 ? "maintenance" : worst(one.states)];
      const to = items[index + 1] && f.ms(items[index + 1].at) - from < Math.max(one.width_seconds * 3000, 60_000) ? f.ms(items[index + 1].at) : from + Math.max(one.width_seconds * 1000, 5000);
      const last = merged.at(-1);
      if (last?.state === state && from - last.to < 1000) last.to = to;
      else merged.push({ from, to, state });
    });
    put(svg, merged.map(({ from, to, state }) => {
      const height = heightOf(state) * 22;
      return s("rect", { x: x(from), width: Math.max(1.6, x(to) - x(from)), y: 22 - height, height, class: `fill-${tone(state)}`, "data-text": `${f.words(state)}: ${f.moment(from)}, ${f.duration((to - from) / 1000)}` });
    }));
    svg.setAttribute("aria-label", `States: ${merged.filter(({ state }) => state !== "running").map(({ state, from, to }) => `${f.words(state)} at ${f.moment(from)} for ${f.duration((to - from) / 1000)}`).slice(0, 20).join("; ") || "running throughout"}`);
  };
  svg.addEventListener("pointermove", (event) => (event.target.dataset?.text ? tip.show(event.clientX, event.clientY, event.target.dataset.text) : tip.hide()));
  svg.addEventListener("pointerleave", tip.hide);
  const element = h("div", {}, h("h3", {}, "State"), svg);
  svg.style.marginLeft = "58px";
  svg.style.width = "calc(100% - 66px)";
  return { element, set(given) {
    items = given;
    draw();
  } };
}

/** From transitions to incidents: each with its length, and what follows from all of them. */
function incidents(context, name) {
  const place = h("div");
  load(place, all("/events", { type: "daemon_check", daemon: name, limit: 1000 }, 3000), (events) => {
    const found = [];
    let open;
    for (const event of [...events].reverse()) {
      const status = event.data?.status;
      const isDown = status === "failed" || status === "paused" || status === "down";
      if (isDown && !open) open = { from: f.ms(event.timestamp), status, before: event.data?.before };
      else if (!isDown && open) {
        found.push({ ...open, to: f.ms(event.timestamp) });
        open = undefined;
      }
    }
    if (open) found.push(open);
    found.reverse();
    const restarts = events.filter((event) => event.data?.status === "restarted");
    const over = found.filter((one) => one.to && one.status !== "paused");
    const lengths = over.map((one) => (one.to - one.from) / 1000);
    const mean = lengths.length ? lengths.reduce((sum, one) => sum + one, 0) / lengths.length : undefined;
    return panel("Incidents", { flush: true, sub: `${found.length} on record` },
      h("div", { class: "pad" }, h("div", { class: "figures" }, figure("Longest outage", f.duration(lengths.length ? Math.max(...lengths) : undefined)), figure("Mean time to repair", f.duration(mean)), figure("Restarts seen", f.number(restarts.length)))),
      found.length ? table("Incidents, newest first", [["State"], ["From"], ["To"], ["For", 1], [""]], found.slice(0, 100).map((one) => [badge(one.status), when(one.from), one.to ? when(one.to) : "still", f.duration(((one.to ?? context.live.now()) - one.from) / 1000), h("a", { href: `#/instant?t=${one.from}` }, "the machine then")])) : empty("It has not failed as far as is on record."));
  });
  return place;
}
