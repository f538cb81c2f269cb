// How everything is now.

import { findSeries, get, ifThere, points } from "../api.js";
import { beatBar, spark } from "../beats.js";
import { TimeGroup, timeChart } from "../chart.js";
import { h, icon, put } from "../dom.js";
import * as f from "../format.js";
import { BEATS } from "../live.js";
import { badge, stateOf, tone } from "../states.js";
import { empty, every, facts, figure, head, link, load, meter, panel, when } from "../ui.js";
import { machineCharts } from "../machine.js";

const HOUR = 3_600_000;
/** The charts of this view show so much, and are moved on as often as points come. */
const SHOWN = HOUR;
const POINTS_EVERY = 15_000;

export function view(context) {
  const { live } = context;
  const element = h("div", { class: "stack" });
  const verdict = h("section", { class: "panel", "aria-label": "Verdict" });
  const firing = h("div");
  const daemons = h("div", { class: "daemons" });
  const findings = h("div");
  const machine = machinePanel(context);
  put(element, head("Now"), verdict, firing, h("section", { "aria-label": "Daemons" }, daemons),
    h("div", { class: "grid" },
      h("div", { class: "w8 stack" }, machine.element),
      h("div", { class: "w4 stack" }, clockPanel(context), filesystems(context), findings)));

  const cards = new Map();
  const drawDaemons = () => {
    const names = live.daemons.map((daemon) => daemon.name);
    for (const name of cards.keys()) if (!names.includes(name)) cards.delete(name);
    for (const daemon of live.daemons) {
      if (!cards.has(daemon.name)) cards.set(daemon.name, card(daemon.name));
      cards.get(daemon.name).set(daemon);
    }
    const wanted = names.map((name) => cards.get(name).element);
    if (wanted.some((card, index) => daemons.children[index] !== card) || daemons.children.length !== wanted.length) {
      put(daemons, wanted.length ? wanted : empty("No daemon is watched. [[daemon]] in the configuration names them."));
    }
  };
  const drawVerdict = () => put(verdict, verdictOf(live));
  const drawFiring = () => put(firing, firingOf(live));
  const drawFindings = () => load(findings, get("/findings", { limit: 6 }, { signal: context.signal }), findingsOf(live));
  const uptimes = () => uptimeOfAll(context).then((shares) => {
    for (const [name, card] of cards) card.uptime(shares.get(name));
  }, () => {});

  drawVerdict();
  drawFiring();
  drawDaemons();
  drawFindings();
  uptimes();
  live.on(context, "heartbeat refreshed", drawDaemons);
  live.on(context, "heartbeat refreshed status", drawVerdict);
  live.on(context, "alerts refreshed", drawFiring);
  live.on(context, "finding refreshed", drawFindings);
  every(context, 60_000, uptimes);
  return element;
}

function verdictOf(live) {
  const { status, beat } = live;
  const word = beat?.overall.status ?? "unknown";
  const colour = tone(word);
  const glyph = { ok: "check", warn: "warn", bad: "cross" }[colour] ?? "question";
  const reasons = [...(beat?.overall.reasons ?? ["there was no heartbeat yet"]), ...(status.conditions ?? [])];
  const counted = live.daemons.filter((daemon) => !["unknown", "no_data"].includes(stateOf(daemon)));
  const up = counted.filter((daemon) => tone(stateOf(daemon)) === "ok" || stateOf(daemon) === "restarted").length;
  const last = status.last_snapshot_entry;
  return h("div", { class: `verdict ${colour}` },
    h("span", { class: "glyph" }, icon(glyph)),
    h("div", {}, h("p", { class: "word" }, f.words(word)),
      h("ul", {}, (reasons.length ? reasons : ["nothing is known to be wrong"]).map((reason) => h("li", {}, reason)))),
    h("div", { class: "figures push" },
      figure("Daemons up", [up, h("small", {}, ` of ${counted.length || live.daemons.length}`)]),
      figure("Machine up", f.duration(beat?.uptime_seconds)),
      figure("Last snapshot", last ? [link(`snapshots/${last.id}`, f.ago(last.captured_at, live.now())), h("small", {}, ` no. ${last.sequence}`)] : f.NOTHING),
      figure("Beats missed", [f.number(status.missed_heartbeats), h("small", {}, ` since ${f.moment(status.started_at)}`)])));
}

function firingOf(live) {
  const alerts = live.firing;
  if (!alerts.length) return undefined;
  return panel(`${f.many(alerts.length, "alert")} firing`, { flush: true, cls: "firing", tools: link("alerts", "all alerts") },
    h("ul", { class: "list" }, alerts.map((alert) => h("li", {},
      h("div", { class: "top" }, badge(alert.silenced_by?.length ? "silenced" : "firing"), badge(alert.severity), h("span", { class: "title" }, alert.summary),
        h("span", { class: "push" }, when(alert.fired_at ?? alert.since, f.ago(alert.fired_at ?? alert.since, live.now()))))))));
}

const findingsOf = (live) => ({ items, next }) =>
  panel("Open findings", { flush: true, tools: link("findings", next ? "all findings" : "more") },
    items.length ? h("ul", { class: "list" }, items.map((finding) => h("li", {},
      h("div", { class: "top" }, badge(finding.severity), finding.attributes?.trend && h("span", { class: "tag" }, finding.attributes.trend),
        h("span", { class: "push" }, when(finding.last_seen ?? finding.opened_at, f.ago(finding.last_seen ?? finding.opened_at, live.now())))),
      h("a", { class: "title", href: `#/findings?open=${encodeURIComponent(`${finding.collector}/${finding.fingerprint}`)}` }, finding.title),
      h("div", { class: "more" }, [finding.source ?? finding.collector, finding.count > 1 && `${f.number(finding.count)} times`].filter(Boolean).join(" · ")))))
      : empty("Nothing is known to be wrong."));

/** A card of one daemon. */
function card(name) {
  const bar = beatBar(`The last ${BEATS} heartbeats of ${name}`, BEATS);
  const state = h("span");
  const figures = { pid: h("dd"), cpu: h("dd"), memory: h("dd"), up: h("dd", {}, f.NOTHING) };
  const why = h("p", { class: "why", hidden: true });
  const oldest = h("span");
  const ping = h("div", { hidden: true });
  const curve = spark(`Ping of ${name}`);
  const pingText = h("span", { class: "soft" });
  put(ping, h("div", { class: "ends" }, pingText), curve.element);
  const element = h("article", { class: "panel daemon", "aria-label": name },
    h("div", { class: "top" }, h("a", { class: "name", href: `#/daemons/${encodeURIComponent(name)}` }, name), state),
    bar.element,
    h("div", { class: "ends", "aria-hidden": "true" }, oldest, h("span", {}, "now")),
    why,
    h("dl", {},
      ["pid", "CPU", "Memory", "Up, 24 h"].map((text, index) => h("div", {}, h("dt", {}, text), Object.values(figures)[index]))),
    ping);
  let shown;
  return {
    element,
    uptime(share) {
      figures.up.textContent = f.uptime(share);
    },
    set(daemon) {
      const word = stateOf(daemon);
      if (shown !== word) {
        shown = word;
        element.className = `panel daemon ${tone(word)}`;
        element.dataset.state = word;
        put(state, badge(word));
      }
      bar.set(daemon.beats.map((beat) => beat));
      oldest.textContent = daemon.beats.length ? f.ago(daemon.beats[0].at) : "";
      figures.pid.textContent = daemon.pid ?? f.NOTHING;
      figures.cpu.textContent = f.percent(daemon.cpu_percent);
      figures.memory.textContent = f.bytes(daemon.memory_bytes);
      const reason = daemon.why ?? daemon.reason ?? (word === "running" || word === "unknown" ? undefined : daemon.ping?.detail ?? daemon.heartbeat_file?.detail);
      why.hidden = !reason;
      why.textContent = reason ?? "";
      ping.hidden = !daemon.ping;
      if (daemon.ping) {
        const p95 = f.isNumber(daemon.ping.p95_ms) ? `, p95 ${f.duration(daemon.ping.p95_ms / 1000)}` : "";
        pingText.textContent = `ping ${daemon.ping.outcome}: ${f.duration((daemon.ping.latency_ms ?? NaN) / 1000)}${p95}`;
        curve.set(daemon.beats.map((beat) => beat.ping_ms));
      }
    },
  };
}

/** What share of the last day each daemon was up. */
async function uptimeOfAll({ live, signal }) {
  const { items } = await get("/heartbeats/history", { since: "-24h", points: 96 }, { signal });
  const sums = new Map();
  for (const stretch of items) {
    for (const [name, daemon] of Object.entries(stretch.daemons)) {
      const of = (state) => daemon.states[state] ?? 0;
      const all = Object.values(daemon.states).reduce((sum, count) => sum + count, 0);
      const outside = Math.max(of("unknown") + of("no_data"), daemon.maintenance ?? 0);
      const sum = sums.get(name) ?? [0, 0];
      sums.set(name, [sum[0] + of("running") + of("restarted") + of("up"), sum[1] + Math.max(0, all - outside)]);
    }
  }
  return new Map([...sums].map(([name, [up, counted]]) => [name, counted ? Math.min(1, up / counted) : undefined]));
}

function clockPanel(context) {
  const { live } = context;
  const group = new TimeGroup({ from: live.now() - 24 * HOUR, to: live.now() });
  const chart = timeChart(group, { title: "Offset, 24 h", format: f.byUnit("s"), height: 96 });
  const said = h("div");
  const element = panel("Clock", {}, h("div", { class: "stack" }, said, chart.element));
  const draw = async () => {
    const latest = await ifThere(get("/sections/clock", undefined, { signal: context.signal }));
    const body = latest?.body ?? {};
    put(said, h("div", { class: "row" }, badge(live.beat?.clock_status ?? body.status ?? "unknown"), h("strong", {}, f.offset(body.offset_seconds)),
      f.isNumber(body.offset_bound_seconds) && h("span", { class: "soft" }, `± ${f.duration(body.offset_bound_seconds)}`)),
      facts([["source", body.source], ["why", body.reason], ["drift", f.isNumber(body.drift?.rate_ppm) && `${f.number(body.drift.rate_ppm)} ppm`],
        ["steps", body.steps && (body.steps.count ? `${body.steps.count}, last ${f.offset(body.steps.last_seconds)} ${f.ago(body.steps.last_at, live.now())}` : "none in this boot")]]));
  };
  const history = async () => {
    const { items } = await get("/heartbeats/history", { since: new Date(live.now() - 24 * HOUR), points: 240 }, { signal: context.signal });
    group.window(live.now() - 24 * HOUR, live.now());
    const known = items.filter((stretch) => stretch.clock_offset_seconds);
    chart.set([{ name: "offset", points: known.map((stretch) => {
      const { mean, min, max } = stretch.clock_offset_seconds;
      return { t: f.ms(stretch.at) + stretch.width_seconds * 500, v: mean, min, max, width: stretch.width_seconds * 1000 };
    }) }]);
  };
  const both = () => Promise.all([draw(), history()]).catch(() => {});
  both();
  every(context, 30_000, both);
  live.on(context, "refreshed", both);
  context.onEnd(() => chart.end());
  return element;
}

function filesystems(context) {
  const place = h("div");
  const draw = () => load(place, ifThere(get("/sections/metric", undefined, { signal: context.signal })), (latest) => {
    const all = (latest?.body.filesystems ?? []).filter((one) => f.isNumber(one.usage_percent)).sort((a, b) => b.usage_percent - a.usage_percent).slice(0, 6);
    if (!all.length) return undefined;
    return panel("File systems", {}, h("ul", { class: "fs" }, all.map((one) => h("li", {},
      h("span", { class: "wrap" }, one.mount), h("span", { class: "soft nowrap" }, `${f.percent(one.usage_percent)}, ${f.bytes(one.available_bytes)} free`),
      meter(`${one.mount} in use`, one.usage_percent)))));
  });
  draw();
  every(context, 60_000, draw);
  return place;
}

function machinePanel(context) {
  const { live } = context;
  const group = new TimeGroup({ from: live.now() - SHOWN, to: live.now() });
  const charts = machineCharts(group, context);
  const element = panel("Machine", { sub: "the last hour", tools: link("instant", "all of history") }, h("div", { class: "charts" }, charts.elements));
  const move = () => {
    if (group.past.length) return;
    group.window(live.now() - SHOWN, live.now());
    charts.load().catch(() => {});
  };
  move();
  every(context, POINTS_EVERY, move);
  live.on(context, "refreshed", move);
  return { element };
}
