// The bar over all of history: how it was, what happened, which snapshots there are, and where one stands.

import { timeTicks } from "./chart.js";
import { h, onceAFrame, put, s } from "./dom.js";
import * as f from "./format.js";
import { groupOf, lookOf } from "./marks.js";
import { tone } from "./states.js";
import * as tip from "./tip.js";

const HIGH = 74;
const BAND = { y: 34, height: 14 };
const SNAPS = { y: 50, height: 8 };
/** A lane for each group of marks, so that nothing hides behind another. */
const LANES = { daemons: 7, findings: 15, patches: 15, alerts: 23, other: 29 };
/** Pixels that a pointer may miss a mark by. */
const NEAR = 6;

/** Small shapes, so that marks differ by more than colour. */
function shape(group, x, y, colour) {
  const cls = `fill-${colour}`;
  if (group === "daemons") return s("path", { class: cls, d: `M${x} ${y + 4}L${x - 4} ${y - 3}H${x + 4}Z` });
  if (group === "patches") return s("rect", { class: cls, x: x - 3, y: y - 3, width: 6, height: 6 });
  if (group === "alerts") return s("path", { class: cls, d: `M${x} ${y - 4}L${x + 4} ${y}L${x} ${y + 4}L${x - 4} ${y}Z` });
  if (group === "findings") return s("circle", { class: cls, cx: x, cy: y, r: 3.2 });
  return s("rect", { class: cls, x: x - 1, y: y - 3.5, width: 2, height: 7 });
}

export function timeBar({ pick }) {
  const svg = s("svg", { "aria-hidden": "true", height: HIGH });
  const element = h("div", { class: "timebar" }, svg);
  const state = { from: 0, to: 1, at: undefined, other: undefined, events: [], snapshots: [], stretches: [] };
  let width = 0;
  const x = (t) => ((t - state.from) / (state.to - state.from)) * width;
  const timeAt = (clientX) => {
    const box = svg.getBoundingClientRect();
    return state.from + Math.max(0, Math.min(1, (clientX - box.left) / box.width)) * (state.to - state.from);
  };
  const worst = (overall) => ["critical", "unhealthy", "degraded"].find((word) => overall[word] > 0) ?? "healthy";

  const draw = onceAFrame(() => {
    width = Math.max(200, svg.clientWidth);
    svg.setAttribute("viewBox", `0 0 ${width} ${HIGH}`);
    const band = [];
    state.stretches.forEach((one, index) => {
      const from = f.ms(one.at);
      const following = state.stretches[index + 1];
      const own = Math.max(one.width_seconds * 1000, 5000);
      const to = following && f.ms(following.at) - from < own * 3 + 20_000 ? f.ms(following.at) : from + own;
      const word = worst(one.overall);
      const last = band.at(-1);
      if (last?.word === word && from - last.to < 1000) last.to = to;
      else band.push({ word, from, to });
    });
    const height = { healthy: 0.4, degraded: 0.7, unhealthy: 0.85, critical: 1 };
    const needle = (t, cls) => t !== undefined && t >= state.from && t <= state.to && [
      s("line", { class: cls, x1: x(t), x2: x(t), y1: 2, y2: HIGH - 15 }), cls === "needle" && s("path", { class: "needle-head", d: `M${x(t) - 5} 0H${x(t) + 5}L${x(t)} 6Z` })];
    put(svg,
      s("rect", { class: "base", x: 0, y: BAND.y, width, height: BAND.height, rx: 3 }),
      band.map(({ word, from, to }) => {
        const tall = BAND.height * height[word];
        return s("rect", { class: `fill-${tone(word)}`, x: x(from), y: BAND.y + BAND.height - tall, width: Math.max(1, x(to) - x(from)), height: tall });
      }),
      state.other !== undefined && state.at !== undefined && s("rect", { class: "between", x: Math.min(x(state.at), x(state.other)), width: Math.abs(x(state.at) - x(state.other)), y: 0, height: HIGH - 15 }),
      state.snapshots.map((entry) => s("line", { class: entry.mark || entry.important_at_capture ? "snap important" : "snap", x1: x(f.ms(entry.captured_at)), x2: x(f.ms(entry.captured_at)), y1: SNAPS.y, y2: SNAPS.y + SNAPS.height })),
      state.events.map((event) => {
        const group = groupOf(event);
        return shape(group, x(f.ms(event.timestamp)), LANES[group] ?? LANES.other, lookOf(event).tone);
      }),
      timeTicks(state.from, state.to, Math.max(2, width / 92)).map(([t, text]) => [
        s("line", { class: "tick", x1: x(t), x2: x(t), y1: HIGH - 15, y2: HIGH - 11 }),
        x(t) > 20 && x(t) < width - 20 && s("text", { class: "axis", x: x(t), y: HIGH - 1, "text-anchor": "middle" }, text)]),
      needle(state.other, "other"), needle(state.at, "needle"));
  });

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const place = event.clientX - box.left;
    const near = state.events.filter((one) => Math.abs(x(f.ms(one.timestamp)) - place) <= NEAR).slice(-5);
    tip.show(event.clientX, event.clientY, h("div", {}, h("b", {}, f.full(timeAt(event.clientX)))), ...near.map((one) => `${f.clock(one.timestamp)} ${one.message}`));
    if (event.buttons & 1) pick(timeAt(event.clientX));
  });
  svg.addEventListener("pointerleave", tip.hide);
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const box = svg.getBoundingClientRect();
    const place = event.clientX - box.left;
    const near = state.events.filter((one) => Math.abs(x(f.ms(one.timestamp)) - place) <= 3).at(-1);
    pick(near ? f.ms(near.timestamp) : timeAt(event.clientX));
  });
  const watcher = new ResizeObserver(draw);
  watcher.observe(svg);
  return { element, set(given) {
    Object.assign(state, given);
    draw();
  }, end: () => watcher.disconnect() };
}
