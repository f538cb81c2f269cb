// The machine as it was at any instant, what changed between two of them, and every metric over time.

import { all, allSeries, get, part } from "../api.js";
import { remember } from "../app.js";
import { TimeGroup, timeChart } from "../chart.js";
import { announce, calmly, h, icon, put } from "../dom.js";
import * as f from "../format.js";
import { isCounter, machineCharts, read } from "../machine.js";
import { groupOf } from "../marks.js";
import { page } from "../sections.js";
import { badge, stateOf } from "../states.js";
import { timeBar } from "../timebar.js";
import { choice, empty, facts, head, link, load, panel, table, when } from "../ui.js";

const HOUR = 3_600_000;
const SPANS = [["1", "1 h"], ["6", "6 h"], ["24", "24 h"], ["48", "48 h"], ["168", "7 d"], ["720", "30 d"]];
const MOST_SNAPSHOTS = 4000;

export function view(context) {
  const { live, settings } = context;
  const state = {
    hours: settings.get("hours") ?? "48", at: Number(settings.get("t")) || undefined, other: undefined, snapshots: [], events: [],
    to: live.now(), from: 0,
  };
  const asked = { other: settings.get("other") ?? "", metric: settings.get("metric") ?? "" };
  // An instant that was asked for is within the window that is shown.
  if (state.at && live.now() - state.at > Number(state.hours) * HOUR) {
    state.hours = SPANS.find(([hours]) => live.now() - state.at <= Number(hours) * HOUR)?.[0] ?? "720";
  }
  const group = new TimeGroup({ picked: (t) => go(t), zoomed: () => charts.load() });
  const bar = timeBar({ pick: (t) => go(t) });
  context.onEnd(() => bar.end());
  const slider = h("input", { type: "range", step: "1000", "aria-label": "The instant" });
  const shown = h("output", { class: "strong" });
  const then = h("div");
  const compare = h("button", { type: "button" });
  const changes = h("div");
  const charts = chartsPanel(context, group, state, asked);

  const keep = () => remember("instant", { t: Math.round(state.at), hours: state.hours === "48" ? "" : state.hours, other: asked.other, metric: asked.metric });
  const snapshotAt = (t) => state.snapshots.find((entry) => f.ms(entry.captured_at) <= t);
  const draw = () => {
    bar.set(state);
    slider.min = Math.round(state.from);
    slider.max = Math.round(state.to);
    slider.value = Math.round(state.at);
    slider.setAttribute("aria-valuetext", f.full(state.at));
    shown.textContent = f.full(state.at);
    put(compare, state.other === undefined ? "Compare with another instant" : "End the comparison");
    compare.setAttribute("aria-pressed", String(state.other !== undefined));
    group.pin = state.at;
    group.point(group.cursor);
  };
  const askThen = calmly(() => {
    showThen(context, then, state, snapshotAt);
    if (state.other !== undefined) showChanges(context, changes, state, snapshotAt);
    else put(changes);
  }, 120);

  function go(t, { quiet } = {}) {
    state.at = Math.max(state.from, Math.min(state.to, t));
    draw();
    askThen();
    keep();
    if (!quiet) announce(f.full(state.at));
  }
  const stepBy = (list, direction) => {
    const times = list.map((one) => f.ms(one.captured_at ?? one.timestamp)).sort((a, b) => a - b);
    const next = direction > 0 ? times.find((t) => t > state.at + 500) : times.findLast((t) => t < state.at - 500);
    if (next !== undefined) go(next);
  };
  const bySnapshot = (direction) => stepBy(state.snapshots, direction);
  const byMark = (direction) => stepBy(state.events, direction);
  const beat = () => live.beat?.interval_ms ?? 5000;

  compare.addEventListener("click", () => {
    asked.other = "";
    state.other = state.other === undefined ? state.at : undefined;
    if (state.other !== undefined) announce("Pick the other instant; what changed between the two is shown below.");
    draw();
    askThen();
    keep();
  });
  slider.addEventListener("input", () => go(Number(slider.value), { quiet: true }));
  const keys = (event) => {
    if (event.target.closest("input, select, textarea, [role=slider], dialog") && event.target !== slider) return;
    const does = { ArrowLeft: () => bySnapshot(-1), ArrowRight: () => bySnapshot(1), ",": () => go(state.at - beat()), ".": () => go(state.at + beat()), "[": () => byMark(-1), "]": () => byMark(1), c: () => compare.click() }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow") && event.target !== slider && event.target.closest("a, button, summary, [tabindex]") && event.target.id !== "main") return;
    event.preventDefault();
    does();
  };
  addEventListener("keydown", keys);
  context.onEnd(() => removeEventListener("keydown", keys));

  async function window(hours) {
    state.hours = hours;
    state.to = live.now();
    state.from = state.to - Number(hours) * HOUR;
    if (state.at === undefined || state.at > state.to) state.at = state.to;
    const [from, to] = [state.from, state.to];
    const since = new Date(from);
    const options = { signal: context.signal };
    group.past.length = 0;
    group.window(from, to);
    draw();
    charts.load();
    const [timeline, beats, snapshots] = await Promise.all([
      get("/timeline", { since, limit: 3000 }, options), get("/heartbeats/history", { since, points: 600 }, options), all("/snapshots", { since }, MOST_SNAPSHOTS)]);
    if (state.from !== from) return;
    state.events = timeline.items.filter((event) => groupOf(event) !== "quiet");
    group.marks = state.events.filter((event) => ["error", "critical"].includes(event.severity) || event.event_type === "clock_sync").map((event) => ({ t: f.ms(event.timestamp), tone: event.severity === "info" ? "note" : event.severity === "warning" ? "warn" : "bad" }));
    state.stretches = beats.items;
    state.snapshots = snapshots;
    if (asked.other) {
      const other = snapshots.find((entry) => entry.id.startsWith(asked.other));
      if (other) state.other = f.ms(other.captured_at);
    }
    draw();
    group.redraw();
    askThen();
  }
  const begin = (hours) => window(hours).catch((error) => error.name === "AbortError" || put(then, h("p", { class: "fault" }, error.message)));
  queueMicrotask(() => begin(state.hours));
  live.on(context, "caught up", () => begin(state.hours));
  const step = (glyph, label, does) => h("button", { type: "button", class: "small", "aria-label": label, title: label, onclick: does }, icon(glyph));
  return h("div", { class: "stack" },
    head("Any instant", { tools: choice("How much of history", SPANS, state.hours, (hours) => begin(hours)) }),
    h("section", { class: "panel", "aria-label": "History" }, bar.element,
      h("div", { class: "body stack" },
        h("div", {}, slider),
        h("div", { class: "row" },
          h("span", { class: "row tight" }, step("left", "The mark before ([)", () => byMark(-1)), h("span", { class: "faint" }, "mark"), step("right", "The next mark (])", () => byMark(1))),
          h("span", { class: "row tight" }, step("left", "The snapshot before (arrow left)", () => bySnapshot(-1)), h("span", { class: "faint" }, "snapshot"), step("right", "The next snapshot (arrow right)", () => bySnapshot(1))),
          h("span", { class: "row tight" }, step("left", "The heartbeat before (comma)", () => go(state.at - beat())), h("span", { class: "faint" }, "beat"), step("right", "The next heartbeat (full stop)", () => go(state.at + beat()))),
          shown, h("span", { class: "row push" }, compare, h("button", { type: "button", onclick: () => go(live.now()) }, "Now"))),
        h("p", { class: "keys hide-small" }, h("span", {}, h("kbd", {}, "←"), " ", h("kbd", {}, "→"), " snapshot"), h("span", {}, h("kbd", {}, ","), " ", h("kbd", {}, "."), " beat"), h("span", {}, h("kbd", {}, "["), " ", h("kbd", {}, "]"), " mark"), h("span", {}, h("kbd", {}, "c"), " compare"),
          h("span", {}, "▼ daemon  ● finding  ■ patch  ◆ alert  ❘ other")))),
    changes, then, charts.element);
}

async function showThen(context, place, state, snapshotAt) {
  const { at } = state;
  const options = { signal: context.signal };
  const entry = snapshotAt(at);
  const asking = Promise.all([
    get("/heartbeats", { until: new Date(at), since: new Date(at - 180_000), limit: 1 }, options),
    entry ? get(`/snapshots/${part(entry.id)}`, undefined, options).catch(() => undefined) : get(`/snapshots/${part(`@${new Date(at).toISOString()}`)}`, undefined, options).catch(() => undefined),
  ]);
  await load(place, asking, ([{ items: [beat] }, whole]) => {
    if (state.at !== at) return [...place.childNodes];
    const snapshot = whole?.snapshot;
    if (!beat && !snapshot) return panel("The machine then", {}, empty("Nothing was recorded by then."));
    const sections = snapshot?.sections ?? {};
    const rows = beat?.daemons ?? sections.daemon?.body?.daemons ?? [];
    const age = snapshot && (at - f.ms(snapshot.captured_at)) / 1000;
    const from = () => snapshot && h("span", {}, "snapshot ", link(`snapshots/${snapshot.id}`, `no. ${snapshot.sequence}`), `, ${f.duration(Math.max(0, age))} before`);
    const open = (snapshot?.findings ?? []).filter((one) => one.state !== "resolved");
    return h("div", { class: "grid" },
      h("div", { class: "w5 stack" },
        panel("The machine then", { sub: beat ? `heartbeat of ${f.clock(beat.at)}` : "no heartbeat of its own is kept" }, h("div", { class: "stack" },
          beat && h("div", { class: "row" }, badge(beat.overall.status), h("span", { class: "soft" }, beat.overall.reasons.join("; ") || "nothing was known to be wrong")),
          facts([["clock", beat && [badge(beat.clock_status), " ", f.offset(beat.clock_offset_seconds)]], ["up", beat && f.duration(beat.uptime_seconds)], ...(snapshot ? [["processors", f.percent(sections.metric?.body?.cpu?.usage_percent)], ["memory", f.percent(sections.metric?.body?.memory?.usage_percent)], ["load", snapshot.host.load_average.map(f.number).join(", ")],
            ["fullest file system", fullest(sections.metric?.body?.filesystems)], ["patches", sections.patch?.body?.queue && Object.entries(sections.patch.body.queue).map(([word, count]) => `${count} ${word}`).join(", ")], ["from", from()]] : [])]))),
        panel("Daemons then", { flush: true }, table("Daemons then", [["Daemon"], ["State"], ["pid", 1], ["CPU", 1], ["Memory", 1]], rows.map((one) => [link(`daemons/${part(one.name)}`, one.name), badge(stateOf(one)), one.pid ?? f.NOTHING, f.percent(one.cpu_percent), f.bytes(one.memory_bytes)]))),
        panel("Findings open then", { flush: true }, open.length ? h("ul", { class: "list" }, open.map((one) => h("li", {}, h("div", { class: "top" }, badge(one.severity), h("span", { class: "title" }, one.title))))) : empty("None was open."))),
      h("div", { class: "w7 stack" }, snapshot ? panel("Processes then", { sub: from() }, sections.processes ? page(sections.processes.schema, sections.processes.body) : empty("That snapshot has no process table.")) : panel("Processes then", {}, empty("There is no snapshot at or before this instant."))));
  });
}

function fullest(filesystems) {
  const worst = [...(filesystems ?? [])].sort((a, b) => (b.usage_percent ?? 0) - (a.usage_percent ?? 0))[0];
  return worst && `${worst.mount} ${f.percent(worst.usage_percent)}`;
}

async function showChanges(context, place, state, snapshotAt) {
  const [first, second] = [state.at, state.other].sort((a, b) => a - b).map(snapshotAt);
  if (!first || !second || first.id === second.id) {
    put(place, panel("What changed", {}, empty(first || second ? "Both instants have the same snapshot. Pick another one." : "There is no snapshot at these instants.")));
    return;
  }
  await load(place, get(`/snapshots/${part(first.id)}/diff/${part(second.id)}`, undefined, { signal: context.signal }), (diff) => {
    const glyphs = { worse: "warn", better: "check", neutral: "dot" };
    const omitted = Object.values(diff.omitted ?? {}).reduce((sum, count) => sum + count, 0);
    return panel("What changed", { flush: true, sub: [`from no. ${diff.from.sequence}, ${f.moment(diff.from.captured_at)}, to no. ${diff.to.sequence}, ${f.moment(diff.to.captured_at)} (${f.duration(diff.elapsed_seconds)})`] },
      diff.changes.length ? h("ul", { class: "changes" }, diff.changes.map((change) => h("li", { class: change.mood }, icon(glyphs[change.mood] ?? "dot"),
        h("div", { class: "wrap" }, h("span", { class: "sr-only" }, `${change.mood}: `), change.text, " ", h("span", { class: "tag" }, change.section))))) : empty("Nothing that matters."),
      diff.unchanged?.length > 0 && h("p", { class: "empty" }, `Nothing changed in ${diff.unchanged.join(", ")}.`, omitted > 0 && ` ${omitted} more changes are not listed.`));
  });
}

function chartsPanel(context, group, state, asked) {
  const usual = machineCharts(group, context);
  const place = h("div", { class: "charts" }, usual.elements);
  const own = h("div", { class: "charts one" });
  const chosen = h("select", { "aria-label": "A metric to chart" }, h("option", { value: "" }, "Add a metric…"));
  const added = new Map();
  const settle = () => (asked.metric = [...added.keys()].join(","));
  const add = async (name) => {
    if (!name || added.has(name)) return;
    const all = (await allSeries()).filter((series) => series.name === name).slice(0, 8);
    if (!all.length) return;
    const rate = isCounter(name);
    const unit = rate && all[0].unit === "By" ? "By/s" : all[0].unit;
    const chart = timeChart(group, { title: rate ? `${name}, per second` : name, format: f.byUnit(unit), height: 150, bytes: unit.startsWith("By") });
    const drop = h("button", { type: "button", class: "quiet small", "aria-label": `Remove ${name}` }, icon("cross"));
    const box = h("div", {}, h("div", { class: "row" }, h("span", { class: "push" }), drop), chart.element);
    drop.addEventListener("click", () => {
      chart.end();
      added.delete(name);
      settle();
      box.remove();
    });
    added.set(name, { chart, all });
    settle();
    own.append(box);
    await fill(name);
  };
  const fill = async (name) => {
    const { chart, all } = added.get(name);
    chart.set(await read(all, group.from, group.to, { signal: context.signal }));
  };
  chosen.addEventListener("change", () => {
    add(chosen.value).catch(() => {});
    chosen.value = "";
  });
  allSeries().then((series) => {
    const names = [...new Set(series.map((one) => one.name))].sort();
    chosen.append(...names.map((name) => h("option", { value: name }, name)));
    for (const name of asked.metric.split(",").filter(Boolean)) add(name).catch(() => {});
  }, () => {});
  return {
    element: panel("Over time", { sub: "drag to zoom, double-click to go back, click to pick the instant", tools: chosen }, h("div", { class: "stack" }, place, own)),
    load: () => Promise.all([usual.load(), ...[...added.keys()].map(fill)]).catch(() => {}),
  };
}
