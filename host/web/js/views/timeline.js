// What is worth knowing, day by day.

import { get } from "../api.js";
import { remember } from "../app.js";
import { h, icon, put } from "../dom.js";
import * as f from "../format.js";
import { choice, empty, head, load, panel } from "../ui.js";
import { groupOf, lookOf } from "../marks.js";

const SPANS = [["24", "24 h"], ["48", "48 h"], ["168", "7 d"], ["720", "30 d"]];
const GROUPS = [["", "Everything"], ["daemons", "Daemons"], ["findings", "Findings"], ["patches", "Patches"], ["alerts", "Alerts"], ["other", "Other"]];

export function view(context) {
  const { live, settings } = context;
  const wanted = { hours: settings.get("hours") ?? "48", group: settings.get("group") ?? "" };
  const place = h("div", { class: "timeline" });
  const change = (what) => {
    Object.assign(wanted, what);
    remember("timeline", wanted);
    draw();
  };
  const draw = () => load(place, get("/timeline", { since: `-${wanted.hours}h`, limit: 2000 }, { signal: context.signal }), ({ items, left_out_until: left }) => {
    const shown = items.filter((event) => !wanted.group || groupOf(event) === wanted.group).reverse();
    if (!shown.length) return empty("Nothing happened that is worth a mark.");
    const days = Map.groupBy ? Map.groupBy(shown, dayOf) : grouped(shown);
    return [[...days].map(([day, events]) => [h("h2", { class: "dayname" }, day), h("ul", {}, events.map(entry))]),
      left && h("p", { class: "empty" }, `What was before ${f.full(left)} is left out.`)];
  });
  draw();
  live.on(context, "event caught up", (event) => (!event || groupOf(event) !== "quiet") && draw());
  return h("div", {}, head("Timeline", {
    tools: [choice("What", GROUPS, wanted.group, (group) => change({ group })), choice("How far back", SPANS, wanted.hours, (hours) => change({ hours }))],
  }), panel("What happened, newest first", { flush: true }, place));
}

const dayOf = (event) => new Date(event.timestamp).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" });

function grouped(events) {
  const days = new Map();
  for (const event of events) days.set(dayOf(event), [...(days.get(dayOf(event)) ?? []), event]);
  return days;
}

function entry(event) {
  const { tone, glyph } = lookOf(event);
  const reasons = event.data?.reasons ?? [];
  return h("li", { class: tone },
    h("a", { href: `#/instant?t=${f.ms(event.timestamp)}`, title: "The machine then" }, h("time", { datetime: event.timestamp, title: f.full(event.timestamp) }, f.clock(event.timestamp))),
    h("span", { class: "at" }, icon(glyph)),
    h("div", { class: "wrap" }, h("span", { class: tone === "bad" ? "strong" : "" }, event.message), reasons.length > 0 && h("div", { class: "more soft" }, reasons.join("; "))));
}
