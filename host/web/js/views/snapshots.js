// Snapshots: the list, and one of them.

import { get, part, post } from "../api.js";
import { remember } from "../app.js";
import { calmly, h, icon, put } from "../dom.js";
import * as f from "../format.js";
import { page } from "../sections.js";
import { badge } from "../states.js";
import { askFor, choice, empty, facts, head, link, load, order, panel, row, table, when } from "../ui.js";

const PAGE = 100;
const COLUMNS = [["No.", 1], ["Captured"], ["Why"], ["Findings"], ["Size", 1], ["Kept"], ["Id"]];

export const view = (context) => (context.rest[0] ? one(context, context.rest[0], context.rest[1]) : list(context));

const isKept = (entry) => entry.mark || entry.important_at_capture;
const mayOperate = (context) => context.session.scope !== "read";

function line(entry, live) {
  const kept = entry.mark ? [icon("pin"), ` ${entry.mark.why ?? "by hand"} (${entry.mark.by})`] : entry.important_at_capture ? [icon("pin"), " important"] : "";
  return row([
    entry.sequence,
    [link(`snapshots/${entry.id}`, when(entry.captured_at)), h("span", { class: "faint nowrap" }, `  ${f.ago(entry.captured_at, live.now())}`)],
    [h("span", { class: "tag" }, entry.trigger), entry.reason && h("span", { class: "wrap" }, ` ${entry.reason}`), entry.incomplete?.length > 0 && h("div", {}, badge("partial", `incomplete: ${entry.incomplete.join(", ")}`))],
    entry.open_findings ? badge(entry.worst_severity ?? "open", `${entry.open_findings} open`) : h("span", { class: "faint" }, "none"),
    f.bytes(entry.size_bytes), h("span", { class: "wrap" }, kept), link(`snapshots/${entry.id}`, h("code", {}, f.shortId(entry.id))),
  ], COLUMNS);
}

function list(context) {
  const { live, settings } = context;
  const wanted = { trigger: settings.get("trigger") ?? "", important: settings.get("important") ?? "", q: settings.get("q") ?? "" };
  const place = h("div");
  const search = h("input", { type: "search", placeholder: "Time, id, reason", "aria-label": "Search in snapshots", value: wanted.q });
  const trigger = h("select", { "aria-label": "Taken for what reason" }, [["", "any reason"], ["schedule", "on schedule"], ["event", "by an event"], ["manual", "by hand"], ["start", "at a start"]].map(([value, text]) => h("option", { value, selected: value === wanted.trigger }, text)));
  const change = (what) => {
    Object.assign(wanted, what);
    remember("snapshots", wanted);
    draw();
  };
  search.addEventListener("input", calmly(() => change({ q: search.value.trim() })));
  trigger.addEventListener("change", () => change({ trigger: trigger.value }));
  // A time that is typed is a place in the list; everything else is looked for in what was read.
  const until = () => (/^\d{4}-\d\d/.test(wanted.q) && !Number.isNaN(Date.parse(wanted.q)) ? new Date(Date.parse(wanted.q)).toISOString() : undefined);
  const asked = (cursor) => get("/snapshots", { trigger: wanted.trigger, important: wanted.important, until: until(), limit: until() || !wanted.q ? PAGE : 1000, cursor }, { signal: context.signal });
  const matches = (entry) => until() || !wanted.q || `${entry.id} ${entry.sequence} ${entry.reason ?? ""} ${entry.trigger} ${entry.mark?.why ?? ""}`.toLowerCase().includes(wanted.q.toLowerCase());
  const draw = () => load(place, asked(), (found) => {
    const items = found.items.filter(matches);
    const frame = table("Snapshots, newest first", COLUMNS, items.map((entry) => line(entry, live)));
    const body = frame.querySelector("tbody");
    let next = found.next;
    const more = h("button", { type: "button", hidden: !next }, "Show older");
    more.addEventListener("click", () => order(more, async () => {
      const older = await asked(next);
      body.append(...older.items.filter(matches).map((entry) => line(entry, live)));
      next = older.next;
      more.hidden = !next;
    }));
    return [frame, !items.length && empty("No snapshot matches."), h("div", { class: "row pad" }, more)];
  });
  draw();
  live.on(context, "snapshot caught up", () => draw());
  const take = h("button", { type: "button", class: "primary", hidden: !mayOperate(context) }, icon("camera"), "Take a snapshot");
  take.addEventListener("click", async () => {
    const said = await askFor("Take a snapshot now", { does: "Take it", fields: [{ name: "reason", label: "What for (stands in the snapshot)", maxlength: "500" }, { name: "important", type: "checkbox", label: "Keep it beyond the ordinary retention" }] });
    if (!said) return;
    const taken = await order(take, () => post("/snapshots", { reason: said.reason || null, important: said.important }), "the snapshot is durable");
    if (taken) location.hash = `#/snapshots/${taken.id}`;
  });
  return h("div", {}, head("Snapshots", {
    tools: [choice("Which", [["", "All"], ["true", "Kept"]], wanted.important, (important) => change({ important })), trigger, search, take],
  }), panel("Newest first", { flush: true }, place));
}

function one(context, name, section) {
  const { live } = context;
  const place = h("div");
  const reading = get(`/snapshots/${part(name)}`, undefined, { signal: context.signal });
  load(place, reading, ({ entry, snapshot }) => {
    const keys = Object.keys(snapshot.sections).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
    const content = h("div");
    let chosen = section && (keys.includes(section) || ["findings", "collectors", "metrics", "raw"].includes(section)) ? section : keys[0];
    const tabs = choice("Section", [...keys.map((key) => [key, key]), ["findings", `findings (${snapshot.findings.length})`], ["collectors", "collectors"], ["metrics", "metrics"], ["raw", "raw JSON"]], chosen, (key) => {
      chosen = key;
      history.replaceState(null, "", `#/snapshots/${part(name)}/${key}`);
      draw();
    });
    const draw = () => put(content, sectionOf(snapshot, chosen));
    draw();
    return h("div", { class: "stack" }, summary(context, entry, snapshot), panel("What it says", { tools: [] }, h("div", { class: "stack" }, h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Sections" }, tabs), content)));
  });
  const from = h("a", { href: "#/snapshots" }, icon("left"), " Snapshots");
  return h("div", {}, h("div", { class: "head" }, from, h("h1", {}, "Snapshot")), place);
}

const ORDER = ["daemon", "metric", "processes", "clock", "patch", "anomaly", "telemetry"];
const rank = (key) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);

function summary(context, entry, snapshot) {
  const { live } = context;
  const path = `/snapshots/${part(snapshot.id)}`;
  const verdict = h("div", { role: "status" });
  const verify = h("button", { type: "button" }, icon("seal"), "Verify");
  verify.addEventListener("click", () => order(verify, async () => {
    const found = await get(`${path}/verify`);
    const gaps = found.gaps?.length ? ` Around it, ${f.many(found.gaps.reduce((sum, gap) => sum + gap.last - gap.first + 1, 0), "snapshot")} went for reasons on record.` : "";
    put(verdict, found.intact ? [badge("ok", "sound"), h("span", { class: "soft" }, ` Every byte is what was written, and so are its links.${gaps}`)]
      : [badge("damaged", "not sound"), h("ul", {}, found.verdicts.map(({ file, problem, detail, ...rest }) => h("li", {}, [file, problem, detail, ...Object.values(rest).filter((one) => typeof one === "string" && one !== file)].filter(Boolean).join(": "))))]);
    return found;
  }, (found) => (found.intact ? "the snapshot is sound" : "the snapshot is not sound")));
  const keep = h("button", { type: "button", hidden: !mayOperate(context) });
  let marked = entry?.mark;
  const drawKeep = () => put(keep, icon("pin"), marked ? "Keep no longer" : "Keep");
  keep.addEventListener("click", async () => {
    if (marked) {
      if (await order(keep, async () => (await post(`${path}/unkeep`)) ?? true, "it is kept no longer than others")) marked = undefined;
    } else {
      const said = await askFor("Keep this snapshot", { does: "Keep it", text: "Whatever retention says, until the mark is taken away.", fields: [{ name: "why", label: "Why", maxlength: "500" }] });
      if (said && (await order(keep, async () => (await post(`${path}/keep`, said.why ? { why: said.why } : {})) ?? true, "it is kept"))) marked = { by: "you", why: said.why };
    }
    drawKeep();
  });
  drawKeep();
  const { host, link: chain = snapshot } = snapshot;
  const step = (name, glyph, text) => h("a", { class: "button", href: `#/snapshots/${name}` }, glyph === "left" && icon(glyph), text, glyph === "right" && icon(glyph));
  return panel(f.full(snapshot.captured_at), {
    sub: `no. ${snapshot.sequence}, ${f.ago(snapshot.captured_at, live.now())}`,
    tools: [
      snapshot.previous && step(snapshot.previous.id, "left", "Previous"),
      h("a", { class: "button", href: `#/instant?t=${f.ms(snapshot.captured_at)}` }, icon("rewind"), "This instant"),
      snapshot.previous && h("a", { class: "button", href: `#/instant?t=${f.ms(snapshot.captured_at)}&other=${snapshot.previous.id}` }, "What changed"),
      verify, keep,
      h("a", { class: "button", href: `/api/v1${path}/file`, download: `snapshot-${snapshot.id}.json` }, icon("down"), "Download"),
    ],
  }, h("div", { class: "stack" }, verdict, h("div", { class: "grid" },
    h("div", { class: "w6" }, facts([
      ["host", host.hostname], ["system", `${host.os}, ${host.kernel}, ${host.arch}`], ["up", f.duration(host.uptime_seconds)], ["load", host.load_average.map(f.number).join(", ")], ["ghostd", host.ghostd_version],
      ...Object.entries(host.versions ?? {}),
    ])),
    h("div", { class: "w6" }, facts([
      ["taken", h("span", { class: "tag" }, snapshot.trigger)], ["reason", snapshot.reason], ["kept", marked ? `${marked.why ?? "by hand"} (${marked.by})` : snapshot.important_at_capture && "important when it was taken"],
      ["size", entry && f.bytes(entry.size_bytes)], ["redacted", `${f.many(snapshot.redactions.total, "secret")}${snapshot.redactions.total ? ` (${Object.entries(snapshot.redactions.rules).map(([rule, count]) => `${rule} ${count}`).join(", ")})` : ""}`],
      ["id", h("code", {}, snapshot.id)], ["sha256", entry && h("code", {}, entry.sha256)],
      ["previous", snapshot.previous && link(`snapshots/${snapshot.previous.id}`, h("code", {}, f.shortId(snapshot.previous.id)))],
      ["heartbeats", snapshot.heartbeats && `${f.number(snapshot.heartbeats.count)} since the one before`],
    ])))));
}

function sectionOf(snapshot, key) {
  if (key === "raw") return h("pre", { class: "raw mono", tabindex: "0", "aria-label": "The snapshot as JSON" }, JSON.stringify(snapshot, null, 2));
  if (key === "findings") {
    if (!snapshot.findings.length) return empty("No finding was open.");
    return h("ul", { class: "list" }, snapshot.findings.map((one) => h("li", {},
      h("div", { class: "top" }, badge(one.severity), badge(one.state === "opened" ? "opened" : one.state, one.state === "opened" ? "new" : one.state), h("span", { class: "tag" }, one.collector), h("span", { class: "title" }, one.title), h("span", { class: "push" }, f.many(one.count, "time"))),
      one.detail && h("details", {}, h("summary", {}, "more"), h("pre", { class: "text" }, one.detail)))));
  }
  if (key === "collectors") {
    return table("Collectors", [["Collector"], ["State"], ["Took", 1], ["p95", 1], ["Memory", 1], ["Calls", 1], ["Failed", 1], ["Fault"]],
      snapshot.collectors.map((one) => [h("strong", {}, one.name), badge(one.status), f.duration(one.duration_ms / 1000), f.duration(one.p95_ms / 1000), f.bytes(one.peak_memory_bytes), f.number(one.calls), f.number(one.failures), one.error ?? ""]));
  }
  if (key === "metrics") {
    return table("Metrics", [["Metric"], ["Labels"], ["Value", 1]],
      snapshot.metrics.flatMap((family) => family.points.map((point) => {
        const value = point.gauge ?? point.counter;
        return [family.name, h("span", { class: "soft" }, Object.entries(point.labels ?? {}).map(([name, label]) => `${name}=${label}`).join(" ")), value === undefined ? `${point.histogram?.count} observations` : f.byUnit(family.unit)(value)];
      })));
  }
  const section = snapshot.sections[key];
  return h("div", { class: "stack" },
    h("div", { class: "row" }, badge(section.completeness), section.collected_at && h("span", { class: "soft" }, "collected ", when(section.collected_at), ` by ${section.collector}`), h("span", { class: "faint" }, section.schema)),
    section.error && h("p", { class: "fault" }, section.error),
    section.warnings?.length > 0 && h("ul", {}, section.warnings.map((text) => h("li", {}, badge("warning"), " ", text))),
    page(section.schema, section.body));
}
