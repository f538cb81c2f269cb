// Charts over time. Those of a group share the window of time, the cursor and the zoom.

import { h, onceAFrame, put, s } from "./dom.js";
import * as f from "./format.js";
import * as tip from "./tip.js";

const LEFT = 58;
const RIGHT = 8;
const TOP = 6;
const BOTTOM = 20;
/** A gap in the points of more than this many usual distances is shown as one. */
const GAP = 3.5;
const COLOURS = 8;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY];

/** Where ticks stand on an axis of time, with their texts. */
export function timeTicks(from, to, most) {
  const step = STEPS.find((step) => (to - from) / step <= most) ?? 7 * DAY * Math.ceil((to - from) / (7 * DAY * most));
  const shift = new Date(from).getTimezoneOffset() * MINUTE;
  const ticks = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t <= to; t += step) {
    const text = step >= DAY || (step >= HOUR && new Date(t).getHours() === 0) ? f.day(t) : step < MINUTE ? f.clock(t) : f.hourMinute(t);
    ticks.push([t, text]);
  }
  return ticks;
}

function valueTicks(low, high, binary) {
  const span = high - low || 1;
  const rough = span / 3;
  const base = binary ? 1000 : 10;
  const size = base ** Math.floor(Math.log(rough) / Math.log(base));
  const step = [1, 2, 2.5, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000].map((n) => n * size).find((step) => step >= rough) ?? rough;
  const ticks = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step) ticks.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return ticks;
}

/** A window of time that several charts look through. */
export class TimeGroup {
  constructor({ from, to, zoomed, picked } = {}) {
    this.from = from;
    this.to = to;
    this.zoomed = zoomed;
    this.picked = picked;
    this.charts = new Set();
    this.cursor = undefined;
    this.pin = undefined;
    this.marks = [];
    this.past = [];
  }

  window(from, to) {
    [this.from, this.to] = [from, to];
    this.redraw();
  }

  redraw() {
    for (const chart of this.charts) chart.draw();
  }

  point(t) {
    this.cursor = t;
    for (const chart of this.charts) chart.point();
  }

  zoom(from, to) {
    if (to - from < 10 * SECOND) return;
    this.past.push([this.from, this.to]);
    this.window(from, to);
    this.zoomed?.(from, to);
  }

  back() {
    const before = this.past.pop();
    if (!before) return;
    this.window(...before);
    this.zoomed?.(...before);
  }
}

/**
 * A chart in a group. `series` come with `set`: `{ name, points: [{ t, v, min, max }] }`, oldest first.
 */
export function timeChart(group, { title, format = f.number, height = 120, low, high, area = false, bytes = false, limits = [] }) {
  const legend = h("div", { class: "row" });
  const heading = h("h3", {}, title);
  const back = h("button", { class: "quiet small", type: "button", hidden: true, onclick: () => group.back() }, "Zoom out");
  const layers = { grid: s("g"), marks: s("g"), lines: s("g"), over: s("g") };
  const svg = s("svg", { height, "aria-hidden": "true" }, Object.values(layers));
  const plot = h("div", {
    class: "plot", tabindex: "0", role: "slider", "aria-label": `${title} over time`, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "100",
    "aria-valuetext": "nothing yet",
  }, svg);
  const note = h("p", { class: "faint", hidden: true });
  const element = h("figure", { class: "chart" }, h("header", {}, heading, legend, back), plot, note);
  let series = [];
  let width = 0;
  let scale;
  let drag;

  const x = (t) => LEFT + ((t - group.from) / (group.to - group.from)) * (width - LEFT - RIGHT);
  const y = (v) => TOP + (1 - (v - scale.low) / (scale.high - scale.low || 1)) * (height - TOP - BOTTOM);
  const timeAt = (clientX) => {
    const box = svg.getBoundingClientRect();
    const share = (clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    return group.from + Math.max(0, Math.min(1, share)) * (group.to - group.from);
  };

  function nearest(points, t) {
    let [a, b] = [0, points.length - 1];
    if (b < 0) return undefined;
    while (b - a > 1) {
      const middle = (a + b) >> 1;
      if (points[middle].t < t) a = middle;
      else b = middle;
    }
    const best = Math.abs(points[a].t - t) <= Math.abs(points[b].t - t) ? points[a] : points[b];
    const reach = Math.max((group.to - group.from) / 60, best.width ?? 0, 20 * SECOND);
    return Math.abs(best.t - t) <= reach ? best : undefined;
  }

  function lineOf(points) {
    const gaps = points.slice(1).map((point, index) => point.t - points[index].t).sort((a, b) => a - b);
    const usual = gaps[Math.floor(gaps.length / 2)] ?? 0;
    const runs = [];
    let run = [];
    points.forEach((point, index) => {
      const before = points[index - 1];
      if (before && point.t - before.t > Math.max(GAP * usual, (before.width ?? 0) * 1.6, 12 * SECOND)) {
        runs.push(run);
        run = [];
      }
      run.push(point);
    });
    runs.push(run);
    return runs.filter((run) => run.length);
  }

  const path = (run, value) => run.map((p, i) => `${i ? "L" : "M"}${x(p.t).toFixed(1)} ${y(value(p)).toFixed(1)}`).join("");

  const draw = onceAFrame(() => {
    width = Math.max(160, plot.clientWidth);
    if (!plot.isConnected) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    back.hidden = group.past.length === 0;
    const seen = series.flatMap((one) => one.points.filter((p) => p.t >= group.from && p.t <= group.to));
    const values = seen.flatMap((p) => [p.min ?? p.v, p.max ?? p.v]).filter(f.isNumber);
    note.hidden = values.length > 0;
    if (!values.length) note.textContent = series.length ? "Nothing was recorded in this time." : "Not recorded here.";
    const bounds = [...values, ...limits.filter((limit) => values.some((v) => v > limit * 0.8))];
    scale = { low: low ?? Math.min(...bounds, 0), high: high ?? Math.max(...bounds, 0) };
    if (!bounds.length) scale = { low: low ?? 0, high: high ?? 1 };
    if (scale.high <= scale.low) scale.high = scale.low + (Math.abs(scale.low) || 1) * 0.1;
    else if (high === undefined) scale.high += (scale.high - scale.low) * 0.06;
    put(layers.grid,
      valueTicks(scale.low, scale.high, bytes).map((v) => [
        s("line", { class: "grid-line", x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v) }),
        s("text", { class: "axis", x: LEFT - 7, y: y(v) + 4, "text-anchor": "end" }, format(v)),
      ]),
      timeTicks(group.from, group.to, Math.max(2, width / 86)).map(([t, text]) => {
        if (x(t) > width - RIGHT - 12 || x(t) < LEFT + 8) return undefined;
        return s("text", { class: "axis", x: x(t), y: height - 5, "text-anchor": "middle" }, text);
      }));
    put(layers.marks,
      group.marks.filter(({ t }) => t >= group.from && t <= group.to).map(({ t, tone }) =>
        s("line", { class: `mark ${tone}`, x1: x(t), x2: x(t), y1: TOP, y2: height - BOTTOM })),
      limits.filter((limit) => limit <= scale.high && limit >= scale.low).map((limit) =>
        s("line", { class: "limit", x1: LEFT, x2: width - RIGHT, y1: y(limit), y2: y(limit) })));
    put(layers.lines, series.map((one, index) => {
      const number = (index % COLOURS) + 1;
      const inside = one.points.filter((p) => p.t >= group.from - (group.to - group.from) / 50 && p.t <= group.to);
      return lineOf(inside).map((run) => {
        const hasBand = run.some((p) => p.min !== undefined && p.max > p.min);
        const band = hasBand && `${path(run, (p) => p.max)}${[...run].reverse().map((p) => `L${x(p.t).toFixed(1)} ${y(p.min).toFixed(1)}`).join("")}Z`;
        const line = run.length === 1
          ? s("circle", { cx: x(run[0].t), cy: y(run[0].v), r: 1.8, class: `f${number}` })
          : s("path", { class: `line c${number}`, d: path(run, (p) => p.v) });
        const below = area && run.length > 1 && `${path(run, (p) => p.v)}L${x(run.at(-1).t).toFixed(1)} ${y(scale.low)}L${x(run[0].t).toFixed(1)} ${y(scale.low)}Z`;
        return [band && s("path", { class: `band f${number}`, d: band }), below && s("path", { class: `area f${number}`, d: below }), line];
      });
    }));
    point();
  });

  function point() {
    if (!scale || !width) return;
    const t = group.cursor;
    const shown = t !== undefined && t >= group.from && t <= group.to;
    put(layers.over,
      group.pin !== undefined && group.pin >= group.from && group.pin <= group.to && s("line", { class: "pick", x1: x(group.pin), x2: x(group.pin), y1: TOP, y2: height - BOTTOM }),
      shown && s("line", { class: "cursor", x1: x(t), x2: x(t), y1: TOP, y2: height - BOTTOM }),
      shown && series.map((one, index) => {
        const p = nearest(one.points, t);
        return p && s("circle", { cx: x(p.t), cy: y(p.v), r: 3, class: `f${(index % COLOURS) + 1}` });
      }),
      drag && Math.abs(drag.to - drag.from) > 4 && s("rect", { class: "zoom", x: Math.min(drag.from, drag.to), width: Math.abs(drag.to - drag.from), y: TOP, height: height - TOP - BOTTOM }));
    const at = shown ? t : group.to;
    put(legend, series.map((one, index) => {
      const p = shown ? nearest(one.points, at) : one.points.at(-1);
      const number = (index % COLOURS) + 1;
      return h("span", { class: "legend" },
        s("svg", { viewBox: "0 0 18 8", "aria-hidden": "true" }, s("path", { class: `line c${number}`, d: "M0 4H18" })),
        one.name, h("b", {}, p ? format(p.v) : f.NOTHING));
    }));
    const share = Math.round(((at - group.from) / (group.to - group.from)) * 100);
    plot.setAttribute("aria-valuenow", String(Math.max(0, Math.min(100, share))));
    const said = series.map((one) => `${one.name} ${format(nearest(one.points, at)?.v)}`).join(", ");
    plot.setAttribute("aria-valuetext", `${f.moment(at)}: ${said || "nothing"}`);
  }

  function hover(clientX, clientY) {
    const t = group.cursor;
    const lines = series.slice(0, 10).map((one) => {
      const p = nearest(one.points, t);
      const range = p && p.max > p.min ? ` (${format(p.min)} to ${format(p.max)})` : "";
      return h("div", {}, `${one.name} `, h("b", {}, p ? format(p.v) : f.NOTHING), range);
    });
    tip.show(clientX, clientY, h("div", {}, f.full(t)), ...lines);
  }

  svg.addEventListener("pointermove", (event) => {
    group.point(timeAt(event.clientX));
    if (drag) {
      drag.to = event.clientX - svg.getBoundingClientRect().left;
      point();
    } else hover(event.clientX, event.clientY);
  });
  svg.addEventListener("pointerleave", () => {
    if (drag) return;
    group.point(undefined);
    tip.hide();
  });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    const place = event.clientX - svg.getBoundingClientRect().left;
    drag = { from: place, to: place, t: timeAt(event.clientX) };
    tip.hide();
  });
  svg.addEventListener("pointerup", (event) => {
    const begun = drag;
    drag = undefined;
    const t = timeAt(event.clientX);
    if (begun && Math.abs(begun.to - begun.from) > 4) group.zoom(Math.min(begun.t, t), Math.max(begun.t, t));
    else group.picked?.(t);
    point();
  });
  svg.addEventListener("pointercancel", () => (drag = undefined));
  svg.addEventListener("dblclick", () => group.back());
  plot.addEventListener("keydown", (event) => {
    const span = group.to - group.from;
    const at = group.cursor ?? group.to;
    const to = { ArrowLeft: at - span / 100, ArrowRight: at + span / 100, PageDown: at - span / 10, PageUp: at + span / 10, Home: group.from, End: group.to }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      group.point(Math.max(group.from, Math.min(group.to, to)));
      const box = svg.getBoundingClientRect();
      hover(box.left + (x(group.cursor) / width) * box.width, box.top + 20);
    } else if (event.key === "+") group.zoom(Math.max(group.from, at - span / 4), Math.min(group.to, at + span / 4));
    else if (event.key === "-" || event.key === "Escape") group.back();
    else if (event.key === "Enter") group.picked?.(at);
  });
  plot.addEventListener("blur", () => {
    group.point(undefined);
    tip.hide();
  });

  const watcher = new ResizeObserver(draw);
  watcher.observe(plot);
  const chart = {
    element, draw, point,
    set(given) {
      series = given;
      draw();
    },
    get series() {
      return series;
    },
    end() {
      watcher.disconnect();
      group.charts.delete(chart);
    },
  };
  group.charts.add(chart);
  return chart;
}
