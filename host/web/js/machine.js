// The charts of a machine: which series belong on one, and how counters become rates.

import { findSeries, points } from "./api.js";
import { timeChart } from "./chart.js";
import * as f from "./format.js";

/** Totals that only grow: what people want to see of them is how fast. */
const COUNTERS = /\.(io|restarts|steps|events|read|written|lines|lost|skipped|context_switches|created|oom_kills|packets|errors|dropped|operations)$/;

export const isCounter = (name) => COUNTERS.test(name);

/** How fast a total grew from one point to the next; what went backwards began anew. */
export function rates(all) {
  return all.slice(1).flatMap((point, index) => {
    const before = all[index];
    const seconds = (point.t - before.t) / 1000;
    const grown = (point.max ?? point.v) - (before.max ?? before.v);
    return seconds > 0 && grown >= 0 ? [{ t: point.t, v: grown / seconds, width: point.width }] : [];
  });
}

/** What a series is called on a chart: what tells it from the others there. */
export function labelOf(series, all = [series]) {
  const keys = Object.keys(series.labels);
  const telling = keys.filter((key) => all.some((one) => one.labels[key] !== series.labels[key]));
  const shown = telling.length ? telling : keys;
  return shown.map((key) => series.labels[key]).join(" ") || series.name.split(".").slice(-1)[0];
}

/** The points of some series in a window, as a chart takes them. */
export async function read(all, from, to, { signal, count = 400 } = {}) {
  const reading = all.map(async (series) => {
    const found = await points(series.id, from, to, count, signal);
    const rate = isCounter(series.name);
    return { name: labelOf(series, all), points: rate ? rates(found) : found };
  });
  return (await Promise.all(reading)).filter((one) => one.points.length);
}

const percent = f.share;
const MACHINE = [
  { title: "Processors", format: percent, low: 0, pick: async () => (await findSeries("system.cpu.utilization")).filter((one) => ["user", "system", "iowait", "steal"].includes(one.labels["cpu.mode"])) },
  { title: "Memory in use", format: percent, low: 0, high: 1, area: true, name: "used", pick: () => findSeries("system.memory.utilization") },
  { title: "Load", format: f.number, low: 0, pick: async () => [...(await findSeries("system.cpu.load_average.1m")), ...(await findSeries("system.cpu.load_average.15m"))], names: ["1 min", "15 min"] },
  { title: "Network", format: f.byUnit("By/s"), low: 0, bytes: true, pick: async () => busiest(await findSeries("system.network.io"), "network.interface.name") },
  { title: "Disks", format: f.byUnit("By/s"), low: 0, bytes: true, pick: async () => busiest(await findSeries("system.disk.io"), "system.device") },
  { title: "File systems", format: percent, low: 0, high: 1, pick: async () => (await findSeries("system.filesystem.utilization")).slice(0, 6) },
];

/** Two series of one device; loopback and the like are no news. */
function busiest(all, key) {
  const devices = [...new Set(all.map((series) => series.labels[key]))].filter((name) => name !== "lo");
  const chosen = devices.find((name) => /^(en|eth|wl|ens|enp|vd|sd|nvme)/.test(name)) ?? devices[0];
  return all.filter((series) => series.labels[key] === chosen);
}

/** The usual charts in a group. `load` reads them for the group's window. */
export function machineCharts(group, context, titles) {
  const wanted = MACHINE.filter((one) => !titles || titles.includes(one.title));
  const charts = wanted.map((one) => ({ ...one, chart: timeChart(group, one) }));
  context.onEnd(() => charts.forEach(({ chart }) => chart.end()));
  return {
    elements: charts.map(({ chart }) => chart.element),
    async load() {
      const { from, to } = group;
      await Promise.all(charts.map(async ({ pick, chart, names, name }) => {
        const all = await pick();
        const series = await read(all, from, to, { signal: context.signal });
        chart.set(series.map((one, index) => ({ ...one, name: name ?? names?.[index] ?? one.name })));
      }));
    },
  };
}
