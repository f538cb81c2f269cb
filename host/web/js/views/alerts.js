// Alerts: what fires, what is on its way, what is silenced, and whether anybody is told.

import { part, post, remove } from "../api.js";
import { h, icon, put } from "../dom.js";
import * as f from "../format.js";
import { badge } from "../states.js";
import { askFor, empty, every, facts, head, meter, offered, order, panel, table, when } from "../ui.js";

const FOR = [["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"], ["259200", "3 days"], ["604800", "1 week"]];

export function view(context) {
  const { live } = context;
  const place = h("div", { class: "stack" });
  const draw = () => put(place, [groups(context), silences(context), receivers(live)]);
  draw();
  live.on(context, "alerts refreshed", draw);
  every(context, 15_000, () => place.contains(document.activeElement) || draw());
  return h("div", {}, head("Alerts"), place);
}

function groups(context) {
  const { alerts } = context.live.alerts;
  if (!alerts.length) return panel("Alerts", {}, empty("No rule holds, and none has of late. [[alert]] in the configuration makes rules."));
  return [["firing", "Firing"], ["pending", "Pending"], ["resolved", "Resolved"]].map(([state, title]) => {
    const those = alerts.filter((alert) => alert.state === state);
    if (!those.length) return state === "firing" ? panel("Firing", {}, empty("Nothing fires.")) : undefined;
    return panel(title, { sub: String(those.length), flush: true }, h("ul", { class: "list" }, those.map((alert) => item(alert, context))));
  });
}

function item(alert, context) {
  const { live } = context;
  const at = alert.resolved_at ?? alert.fired_at ?? alert.since;
  const silenced = alert.silenced_by?.length > 0;
  const progress = alert.state === "pending" && alert.for_seconds > 0;
  const silence = h("button", { type: "button", class: "small", }, icon("mute"), "Silence");
  offered(silence, context, "POST", "/silences", alert.state !== "resolved" && !silenced);
  silence.addEventListener("click", async () => {
    const said = await askFor("Silence this alert", { text: alert.summary, does: "Silence it", fields: [{ name: "duration", label: "For how long", options: FOR }, { name: "why", label: "Why", maxlength: "500" }] });
    if (!said) return;
    const labels = { ...(alert.subject ?? {}), rule: alert.rule };
    const matchers = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    if (await order(silence, async () => (await post("/silences", { matchers, seconds: Number(said.duration), why: said.why || null })) ?? true, "silenced")) live.refreshAlerts();
  });
  return h("li", { "data-state": alert.state },
    h("div", { class: "top" }, badge(alert.state), badge(alert.severity), silenced && badge("silenced"), alert.inhibited_by?.length > 0 && h("span", { class: "tag" }, "follows from another"),
      h("span", { class: "title" }, alert.summary),
      h("span", { class: "push" }, when(at, f.ago(at, live.now())))),
    progress && h("div", {}, meter("On its way to firing", (alert.held_seconds / alert.for_seconds) * 100, 200, 200, "accent"), h("span", { class: "more" }, `held for ${f.duration(alert.held_seconds)} of ${f.duration(alert.for_seconds)}`)),
    h("div", { class: "row" },
      facts([
        ["rule", [h("strong", {}, alert.rule), " ", h("code", {}, alert.condition)]],
        ["value", alert.value !== undefined ? [h("strong", {}, typeof alert.value === "number" ? f.number(alert.value) : String(alert.value)), alert.threshold && h("span", { class: "soft" }, `, fires when ${alert.threshold}`), alert.for_seconds > 0 && h("span", { class: "soft" }, ` for ${f.duration(alert.for_seconds)}`)] : alert.no_data_since && ["no data since ", when(alert.no_data_since)]],
        ["since", [when(alert.since), alert.fired_at && ", firing since ", alert.fired_at && when(alert.fired_at), alert.resolved_at && ", resolved ", alert.resolved_at && when(alert.resolved_at)]],
        ["why resolved", alert.resolution],
        ["told", Object.entries(alert.told ?? {}).map(([name, told]) => `${name} ${f.ago(told.at, live.now())}`).join(", ") || alert.receivers?.length && `nobody yet (${alert.receivers.join(", ")})`],
      ]),
      h("span", { class: "row push" }, h("a", { class: "button small", href: `#/instant?t=${f.ms(alert.fired_at ?? alert.since)}` }, icon("rewind"), "The machine then"), silence)));
}

function silences(context) {
  const { live } = context;
  const { silences } = live.alerts;
  if (!silences.length) return undefined;
  return panel("Silences", { flush: true }, table("Silences", [["For"], ["Until"], ["By"], ["Why"], [""]], silences.map((one) => {
    const end = h("button", { type: "button", class: "small", }, "End it");
    offered(end, context, "DELETE", "/silences/{silence}");
    end.addEventListener("click", () => order(end, async () => {
      await remove(`/silences/${part(one.id)}`);
      await live.refreshAlerts();
      return true;
    }, "the silence is over"));
    return [h("code", {}, one.matchers.map((match) => (typeof match === "string" ? match : `${match.label}${match.operator}${match.value}`)).join(" ")), [when(one.ends_at), h("span", { class: "faint" }, ` ${f.ago(one.ends_at, live.now())}`)], one.by, one.why ?? "", end];
  })));
}

function receivers(live) {
  const { receivers } = live.alerts;
  if (!receivers.length) return undefined;
  return panel("Receivers", { flush: true }, table("Receivers", [["Receiver"], ["Kind"], ["State"], ["Waiting", 1], ["Delivered", 1], ["Given up", 1], ["Last told"], ["Last fault"]],
    receivers.map((one) => [h("strong", {}, one.name), one.kind, badge(one.failures_in_a_row ? "failed" : "ok", one.failures_in_a_row ? `failed ${one.failures_in_a_row} times in a row` : "ok"), f.number(one.queued), f.number(one.delivered), f.number(one.dropped), when(one.last_success, f.ago(one.last_success, live.now())), one.last_error ?? ""])));
}
