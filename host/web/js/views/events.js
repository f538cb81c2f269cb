// What happened, line by line, with a live tail.

import { get } from "../api.js";
import { remember } from "../app.js";
import { calmly, h, put } from "../dom.js";
import * as f from "../format.js";
import { badge } from "../states.js";
import { empty, head, load, order, panel, when } from "../ui.js";

const PAGE = 200;
/** Lines that a tail holds before the oldest go. */
const MOST = 2000;
export const KINDS = ["daemon_check", "system_status", "anomaly", "alert", "clock_sync", "snapshot_complete", "snapshot_error", "backup_complete", "cleanup", "config_update", "collector", "store", "error", "system_startup", "system_shutdown"];
const LOUD = ["info", "warning", "error", "critical"];

export function view(context) {
  const { live, settings } = context;
  const wanted = { type: settings.get("type") ?? "", severity: settings.get("severity") ?? "", q: settings.get("q") ?? "", daemon: settings.get("daemon") ?? "" };
  let tail = true;
  const place = h("div");
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search in messages", value: wanted.q });
  const type = h("select", { "aria-label": "Kind" }, h("option", { value: "" }, "any kind"), KINDS.map((value) => h("option", { value, selected: value === wanted.type }, f.words(value))));
  const severity = h("select", { "aria-label": "At least so loud" }, h("option", { value: "" }, "any severity"), LOUD.slice(1).map((value) => h("option", { value, selected: value === wanted.severity }, `${value} and worse`)));
  const tailing = h("button", { type: "button", "aria-pressed": "true" }, "Live tail");
  tailing.addEventListener("click", () => {
    tail = !tail;
    tailing.setAttribute("aria-pressed", String(tail));
    if (tail) draw();
  });
  const change = () => {
    Object.assign(wanted, { type: type.value, severity: severity.value, q: search.value.trim() });
    remember("events", wanted);
    draw();
  };
  search.addEventListener("input", calmly(change));
  type.addEventListener("change", change);
  severity.addEventListener("change", change);
  const asked = (cursor) => get("/events", { ...wanted, limit: PAGE, cursor }, { signal: context.signal });
  let body;
  let newest = 0;

  const draw = () => load(place, asked(), (page) => {
    body = h("tbody", {}, page.items.map(line));
    newest = page.items[0]?.id ?? newest;
    let next = page.next;
    const more = h("button", { type: "button", hidden: !next }, "Show older");
    more.addEventListener("click", () => order(more, async () => {
      const older = await asked(next);
      body.append(...older.items.map(line));
      next = older.next;
      more.hidden = !next;
    }));
    return [h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Events" },
      h("table", {}, h("thead", {}, h("tr", {}, ["When", "Severity", "Kind", "Message"].map((name) => h("th", { scope: "col" }, name)))), body)),
    !page.items.length && empty("No event matches."), h("div", { class: "row pad" }, more)];
  });
  const matches = (event) => (!wanted.type || event.event_type === wanted.type) && (!wanted.severity || LOUD.indexOf(event.severity) >= LOUD.indexOf(wanted.severity))
    && (!wanted.q || event.message.toLowerCase().includes(wanted.q.toLowerCase())) && (!wanted.daemon || event.data?.daemon === wanted.daemon);
  live.on(context, "event", (event) => {
    if (!tail || !body || event.id <= newest || !matches(event)) return;
    newest = event.id;
    body.prepend(line(event));
    while (body.children.length > MOST) body.lastChild.remove();
  });
  live.on(context, "caught up", () => tail && draw());
  draw();
  return h("div", {}, head("Events", { sub: wanted.daemon && `of ${wanted.daemon}`, tools: [type, severity, search, tailing] }), panel("Events, newest first", { flush: true }, place));
}

function line(event) {
  const data = event.data && Object.keys(event.data).length ? event.data : undefined;
  const message = data ? h("details", {}, h("summary", {}, event.message), h("pre", { class: "text" }, JSON.stringify(data, null, 2))) : event.message;
  return h("tr", {}, h("td", { class: "nowrap" }, when(event.timestamp)), h("td", {}, badge(event.severity)), h("td", { class: "nowrap soft" }, f.words(event.event_type)), h("td", { class: "wrap" }, message));
}
