// The collectors: how each is doing, what it may do, what it costs.

import { get, part, post } from "../api.js";
import { h, icon } from "../dom.js";
import * as f from "../format.js";
import { badge } from "../states.js";
import { empty, every, facts, head, link, load, order, panel, table, when } from "../ui.js";

export const view = (context) => (context.rest[0] ? one(context, context.rest[0]) : list(context));

const settingOf = (collector, key) => collector.settings?.find((row) => row.key === `collector.${collector.name}.${key}`)?.value;
const grants = (collector) => settingOf(collector, "grant") ?? [];

function list(context) {
  const place = h("div");
  const draw = () => load(place, get("/collectors", undefined, { signal: context.signal }), ({ items }) =>
    table("Collectors", [["Collector"], ["State"], ["Every"], ["Took", 1], ["p50", 1], ["p95", 1], ["Memory", 1], ["Calls", 1], ["Failed", 1], ["Missed", 1], ["May use"]],
      items.map((one) => [
        [link(`collectors/${part(one.name)}`, h("strong", {}, one.name)), h("div", { class: "faint" }, one.version ?? "")],
        [badge(one.status), one.error && h("div", { class: "wrap soft" }, one.error)], String(settingOf(one, "every") ?? f.NOTHING), f.duration(one.duration_ms / 1000), f.duration(one.p50_ms / 1000), f.duration(one.p95_ms / 1000),
        f.bytes(one.peak_memory_bytes), f.number(one.calls), f.number(one.failures), f.number(one.missed),
        [].concat(grants(one)).map((name) => [h("span", { class: "tag" }, name), " "]),
      ])));
  draw();
  every(context, 10_000, () => place.contains(document.activeElement) || draw());
  return h("div", {}, head("Collectors", { sub: "each in a sandbox of its own, with what the configuration grants it" }), panel("Health, cost, rights", { flush: true }, place));
}

function one(context, name) {
  const place = h("div");
  load(place, get(`/collectors/${part(name)}`, undefined, { signal: context.signal }), (collector) => {
    const resume = h("button", { type: "button", hidden: collector.status !== "quarantined" || context.session.scope === "read" }, icon("again"), "Resume");
    resume.addEventListener("click", () => order(resume, () => post(`/collectors/${part(name)}/resume`), "resumed"));
    const budget = settingOf(collector, "limits.wall");
    return h("div", { class: "stack" },
      panel("How it is doing", { tools: resume }, h("div", { class: "stack" }, h("div", { class: "row" }, badge(collector.status), collector.error && h("span", {}, collector.error)),
        h("div", { class: "grid" },
          h("div", { class: "w6" }, facts([["last call took", `${f.duration(collector.duration_ms / 1000)}${budget ? ` of at most ${budget}` : ""}`], ["median", f.duration(collector.p50_ms / 1000)], ["95th percentile", f.duration(collector.p95_ms / 1000)], ["most memory", f.bytes(collector.peak_memory_bytes)], ["last success", when(collector.last_success)]])),
          h("div", { class: "w6" }, facts([["calls", f.number(collector.calls)], ["failed", `${f.number(collector.failures)}, ${f.number(collector.consecutive_failures)} in a row`], ["schedules missed", f.number(collector.missed)], ["host calls refused", f.number(collector.denied_calls)], ["log lines dropped", f.number(collector.dropped_log_lines)], ["sha256", collector.sha256 && h("code", {}, collector.sha256)]]))))),
      panel("Settings", { flush: true }, table("Settings", [["Setting"], ["Value"], ["From"]], (collector.settings ?? []).map((row) => [h("code", {}, String(row.key).replace(`collector.${name}.`, "")), h("code", { class: "wrap" }, typeof row.value === "string" ? row.value : JSON.stringify(row.value)), h("span", { class: "soft" }, typeof row.origin === "string" ? row.origin : JSON.stringify(row.origin))]))),
      panel("Log", { flush: true }, collector.log?.length ? table("Log, newest first", [["When"], ["Level"], ["Message"]], [...collector.log].reverse().map((line) => [when(line.at), line.level ?? "", h("span", { class: "mono wrap" }, line.text ?? line.message ?? "")])) : empty("It has said nothing.")));
  });
  return h("div", {}, h("div", { class: "head" }, h("a", { href: "#/collectors" }, icon("left"), " Collectors"), h("h1", {}, name)), place);
}
