// Sections as readable pages: the ones that ghostd knows by what they mean, any other by its form.

import { h } from "./dom.js";
import * as f from "./format.js";
import { badge } from "./states.js";
import { empty, facts, meter, table, when } from "./ui.js";

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
/** Rows and depth of the generic page; what is beyond is in the raw JSON. */
const MOST_ROWS = 200;
const DEEPEST = 6;

const isPlain = (value) => value === null || typeof value !== "object";
const isTable = (value) => Array.isArray(value) && value.length > 0 && value.every((one) => one && typeof one === "object" && !Array.isArray(one));

/** One value as a person reads it, by the name that it has. */
function plain(name, value) {
  if (value === null || value === undefined) return f.NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (/bytes_per_second$/.test(name)) return `${f.bytes(value)}/s`;
    if (/bytes$/.test(name)) return f.bytes(value);
    if (/percent$/.test(name)) return f.percent(value);
    if (/seconds$/.test(name)) return value < 0 ? `−${f.duration(-value)}` : f.duration(value);
    if (/_ms$/.test(name)) return f.duration(value / 1000);
    return f.number(value);
  }
  const text = String(value);
  return TIME.test(text) ? when(text) : text;
}

/** Anything, by its form. */
export function generic(value, depth = 0) {
  if (isPlain(value)) return plain("", value);
  if (depth > DEEPEST) return h("code", {}, JSON.stringify(value).slice(0, 200));
  if (Array.isArray(value)) {
    if (!value.length) return h("span", { class: "faint" }, "none");
    if (isTable(value)) {
      const columns = [...new Set(value.slice(0, 50).flatMap((one) => Object.keys(one)))];
      return table("Rows", columns.map((name) => [f.words(name), typeof value[0][name] === "number"]),
        value.slice(0, MOST_ROWS).map((one) => columns.map((name) => (isPlain(one[name]) ? plain(name, one[name]) : generic(one[name], depth + 2)))));
    }
    return value.every(isPlain) ? value.map((one) => plain("", one)).map((one, index) => [index ? ", " : "", one]) : h("ul", {}, value.slice(0, MOST_ROWS).map((one) => h("li", {}, generic(one, depth + 1))));
  }
  const entries = Object.entries(value);
  if (!entries.length) return h("span", { class: "faint" }, "nothing");
  return facts(entries.map(([name, one]) => [f.words(name), isPlain(one) ? plain(name, one) : generic(one, depth + 1)]));
}

const heading = (text, ...body) => h("div", {}, h("h3", {}, text), body);

function daemons({ summary = {}, daemons = [] }) {
  return [
    h("div", { class: "row" }, Object.entries(summary).filter(([name, count]) => count > 0 && !["total", "judged"].includes(name)).map(([name, count]) => badge(name, `${count} ${f.words(name)}`))),
    table("Daemons", [["Daemon"], ["State"], ["pid", 1], ["Up", 1], ["CPU", 1], ["Memory", 1], ["Threads", 1], ["Restarts", 1], ["Why"]],
      daemons.map((one) => [h("strong", {}, one.name), badge(one.maintenance ? "maintenance" : one.status), one.pid ?? f.NOTHING, f.duration(one.uptime_seconds), f.percent(one.cpu_percent),
        f.bytes(one.memory_bytes), f.number(one.threads), `${one.restart_count_is_lower_bound && one.restart_count ? "≥ " : ""}${f.number(one.restart_count)}`,
        [one.reason, one.command_line && h("div", { class: "faint mono cut", title: one.command_line }, one.command_line)]])),
  ];
}

function processes(body) {
  const list = (rows = []) => table("Processes", [["pid", 1], ["Process"], ["CPU", 1], ["Memory", 1], ["Started"], ["Command line"]],
    rows.map((one) => [one.pid, h("strong", {}, one.name), f.percent(one.cpu_percent), f.bytes(one.resident_bytes), when(one.started_at),
      h("div", { class: "mono cut", title: one.command_line ?? "" }, one.command_line ?? one.error ?? "")]));
  return [facts([["processes", f.number(body.total)], ["threads", f.number(body.threads)], ["kernel", f.number(body.kernel)], ["by state", Object.entries(body.by_state ?? {}).map(([state, count]) => `${f.words(state)} ${count}`).join(", ")]]),
    body.top_cpu?.length > 0 && heading("The dearest by CPU", list(body.top_cpu)), body.top_memory?.length > 0 && heading("The largest in memory", list(body.top_memory))];
}

function machine(body) {
  const { cpu, memory, filesystems = [], disks = [], interfaces = [] } = body;
  return [
    h("div", { class: "grid" },
      cpu && h("div", { class: "w6" }, heading(`Processors (${cpu.count})`, facts([["in use", f.percent(cpu.usage_percent)], ["user", f.percent(cpu.user_percent)], ["system", f.percent(cpu.system_percent)], ["waiting for disks", f.percent(cpu.iowait_percent)], ["load", (cpu.load_average ?? []).map(f.number).join(", ")]]))),
      memory && h("div", { class: "w6" }, heading("Memory", facts([["in use", `${f.bytes(memory.used_bytes)} of ${f.bytes(memory.total_bytes)} (${f.percent(memory.usage_percent)})`], ["available", f.bytes(memory.available_bytes)], ["cached", f.bytes(memory.cached_bytes)],
        ["swap", memory.swap_total_bytes ? `${f.bytes(memory.swap_used_bytes)} of ${f.bytes(memory.swap_total_bytes)}` : "none"], ["killed for want of it", f.number(memory.oom_kills)]])))),
    heading("File systems", table("File systems", [["Mount"], ["Device"], ["Type"], ["In use", 1], ["Free", 1], ["Size", 1], [""]],
      filesystems.map((one) => [one.mount, h("span", { class: "mono" }, one.device), one.fs_type, f.percent(one.usage_percent), f.bytes(one.available_bytes), f.bytes(one.total_bytes), one.error ?? meter(one.mount, one.usage_percent)]))),
    heading("Interfaces", table("Interfaces", [["Interface"], ["State"], ["Received", 1], ["Sent", 1], ["Errors", 1], ["Dropped", 1]],
      interfaces.map((one) => [one.name, one.state, `${f.bytes(one.received_bytes_per_second)}/s`, `${f.bytes(one.sent_bytes_per_second)}/s`, f.number((one.received_errors ?? 0) + (one.sent_errors ?? 0)), f.number((one.received_drops ?? 0) + (one.sent_drops ?? 0))]))),
    heading("Disks", table("Disks", [["Disk"], ["Read", 1], ["Written", 1], ["Busy", 1]],
      disks.map((one) => [one.name, `${f.bytes(one.read_bytes_per_second)}/s`, `${f.bytes(one.written_bytes_per_second)}/s`, f.percent(one.busy_percent)]))),
    body.pressure && heading("Pressure", table("Pressure", [["Resource"], ["10 s", 1], ["1 min", 1], ["5 min", 1]], Object.entries(body.pressure).map(([name, one]) => [name, ...(one.some_percent ?? []).map((share) => f.percent(share))]))),
  ];
}

function clock(body) {
  const { steps, drift, kernel, sntp, witnesses = [] } = body;
  return [
    h("div", { class: "row" }, badge(body.status), h("strong", {}, f.offset(body.offset_seconds)), h("span", { class: "soft" }, body.reason)),
    facts([["source", body.source], ["right within", f.duration(body.offset_bound_seconds)], ["drift", drift && `${f.number(drift.rate_ppm)} ppm`], ["machine up", f.duration(body.uptime_seconds)],
      ["steps", steps && (steps.count ? `${steps.count}, last ${f.offset(steps.last_seconds)} at ${f.full(steps.last_at)}` : "none in this boot")], ["suspended", f.duration(body.suspended_seconds)]]),
    heading("Witnesses", table("Witnesses", [["Witness"], ["Says"], ["Offset", 1], ["Within", 1], ["Why"]], witnesses.map((one) => [one.name, badge({ synchronised: "synced", unsynchronised: "failed" }[one.says] ?? "unknown", one.says), f.offset(one.offset_seconds), f.duration(one.bound_seconds), one.reason]))),
    sntp?.servers?.length && heading("Servers", table("Servers", [["Server"], ["Offset", 1], ["Delay", 1], ["Stratum", 1], ["Age", 1], ["Fault"]], sntp.servers.map((one) => [one.best ? h("strong", {}, one.server) : one.server, f.offset(one.offset_seconds), f.duration(one.delay_seconds), one.stratum ?? f.NOTHING, f.duration(one.age_seconds), one.error ?? ""]))),
    kernel && h("details", {}, h("summary", {}, "The kernel's discipline"), generic(kernel)),
  ];
}

const patchRow = (one) => [h("span", { class: "wrap" }, one.id), badge({ completed: "ok", failed: "failed", executing: "pending" }[one.state] ?? "unknown", one.state), one.version ?? "", one.phase ?? "", when(one.time), f.bytes(one.size_bytes)];
const PATCH_COLUMNS = [["Patch"], ["State"], ["Version"], ["Phase"], ["Time"], ["Size", 1]];

function patches(body) {
  if (!body.configured) return empty("No patch queue is lent to this collector.");
  return [
    h("div", { class: "row" }, Object.entries(body.queue ?? {}).map(([state, count]) => badge({ completed: "ok", failed: count ? "failed" : "info", executing: "pending", pending: "pending" }[state] ?? "info", `${count} ${state}`))),
    body.executing?.length > 0 && heading("Being carried out", table("Being carried out", [["Patch"], ["Since"], ["For", 1], [""]], body.executing.map((one) => [one.id, when(one.since), f.duration(one.seconds), one.stuck ? badge("high", "stuck") : ""]))),
    heading("Carried out", table("Carried out", PATCH_COLUMNS, (body.history ?? []).map(patchRow))),
    body.malformed?.count > 0 && heading("No valid JSON", generic(body.malformed.files ?? [])),
  ];
}

function telemetry(body) {
  if (!body.configured) return empty("No telemetry files are lent to this collector.");
  return [table("Files", [["File"], ["State"], ["Age", 1], ["At most", 1], ["Size", 1], ["Path"]],
    (body.files ?? []).map((one) => [h("strong", {}, one.name), badge(one.status), f.duration(one.age_seconds), f.duration(one.max_age_seconds), f.bytes(one.size_bytes), h("code", {}, one.path)])),
  (body.files ?? []).filter((one) => one.content || one.content_summary).map((one) => h("details", {}, h("summary", {}, one.name), generic(one.content ?? one.content_summary)))];
}

const KNOWN = { "ghost.daemon/1": daemons, "ghost.processes/1": processes, "ghost.metric/1": machine, "ghost.clock/1": clock, "ghost.patch/1": patches, "ghost.telemetry/1": telemetry };

/** The page of a section. */
export function page(schema, body) {
  if (!body) return empty("This section is missing.");
  let made;
  try {
    made = KNOWN[schema]?.(body);
  } catch {
    // A body that is not as its schema says is shown by its form.
  }
  return h("div", { class: "stack" }, made ?? generic(body));
}
