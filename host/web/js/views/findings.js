// What is wrong, or was: patterns, rates, what became of them.

import { get, part, post } from "../api.js";
import { remember } from "../app.js";
import { calmly, h, icon, put } from "../dom.js";
import * as f from "../format.js";
import { badge } from "../states.js";
import { askFor, choice, empty, facts, head, load, meter, offered, order, panel, when } from "../ui.js";

const PAGE = 100;

export function view(context) {
  const { live, settings } = context;
  const wanted = { state: settings.get("state") ?? "open", severity: settings.get("severity") ?? "", q: settings.get("q") ?? "", open: settings.get("open") ?? "" };
  const place = h("div");
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search in findings", value: wanted.q });
  const severity = h("select", { "aria-label": "At least so severe" },
    [["", "any severity"], ["medium", "medium and worse"], ["high", "high and worse"], ["critical", "critical"]].map(([value, text]) => h("option", { value, selected: value === wanted.severity }, text)));
  const change = (what) => {
    Object.assign(wanted, what);
    remember("findings", { ...wanted, state: wanted.state === "open" ? "" : wanted.state });
    draw();
  };
  search.addEventListener("input", calmly(() => change({ q: search.value.trim() })));
  severity.addEventListener("change", () => change({ severity: severity.value }));
  const asked = (cursor) => get("/findings", { state: wanted.state, severity: wanted.severity, q: wanted.q, limit: PAGE, cursor }, { signal: context.signal });
  const draw = async () => {
    // One that was asked for by name may be on no page.
    const [collector, ...rest] = wanted.open.split("/");
    const named = wanted.open ? get(`/findings/${part(collector)}/${part(rest.join("/"))}`, undefined, { signal: context.signal }).catch(() => undefined) : undefined;
    await load(place, Promise.all([asked(), named]), ([page, one]) => {
      const list = h("ul", { class: "list" });
      const isIt = (finding) => one && finding.collector === one.collector && finding.fingerprint === one.fingerprint;
      const add = (items) => list.append(...items.map((finding) => item(finding, live, draw, isIt(finding), context)));
      if (one && !page.items.some(isIt)) add([one]);
      add(page.items);
      const more = h("button", { type: "button", hidden: !page.next });
      let next = page.next;
      more.textContent = "Show more";
      more.addEventListener("click", () => order(more, async () => {
        const following = await asked(next);
        add(following.items);
        next = following.next;
        more.hidden = !next;
      }));
      return page.items.length || one ? [list, h("div", { class: "row pad" }, more)] : empty(wanted.state === "open" ? "Nothing is known to be wrong." : "There is none.");
    });
  };
  draw();
  live.on(context, "finding refreshed", calmly(draw, 800));
  return h("div", {}, head("Findings", {
    tools: [choice("Which", [["open", "Open"], ["resolved", "Resolved"], ["all", "All"]], wanted.state, (state) => change({ state, open: "" })), severity, search],
  }), panel("Findings, worst first", { flush: true }, place));
}

function item(finding, live, changed, isOpen, context) {
  const { attributes = {} } = finding;
  const rate = attributes.rate_per_minute;
  const usual = attributes.usual_per_minute;
  const resolve = h("button", { type: "button", class: "small" }, icon("check"), "Resolve");
  offered(resolve, context, "POST", "/findings/{collector}/{fingerprint}/resolve", finding.open);
  resolve.addEventListener("click", async () => {
    const said = await askFor("Resolve this finding", { text: finding.title, does: "Resolve", fields: [{ name: "why", label: "Why (shown with it)", maxlength: "500" }] });
    if (!said) return;
    const path = `/findings/${part(finding.collector)}/${part(finding.fingerprint)}/resolve`;
    if (await order(resolve, async () => (await post(path, said.why ? { why: said.why } : {})) ?? true, "resolved")) changed();
  });
  const others = Object.entries(attributes).filter(([key]) => !["trend", "template", "rate_per_minute", "usual_per_minute", "cause", "lines"].includes(key));
  const most = Math.max(rate ?? 0, usual ?? 0);
  return h("li", {},
    h("div", { class: "top" }, badge(finding.severity), !finding.open && badge("resolved"), attributes.trend && finding.open && badge(attributes.trend === "bursting" ? "bursting" : attributes.trend, attributes.trend),
      h("span", { class: "tag" }, finding.collector),
      h("span", { class: "push" }, finding.count > 1 && `${f.number(finding.count)} times, `, "last ", when(finding.last_seen ?? finding.opened_at, f.ago(finding.last_seen ?? finding.opened_at, live.now())))),
    h("details", { open: isOpen === true },
      h("summary", {}, h("span", { class: "title" }, finding.title)),
      h("div", { class: "stack" },
        finding.detail && h("pre", { class: "text" }, finding.detail),
        facts([
          ["pattern", attributes.template && h("code", {}, attributes.template)],
          ["cause", attributes.cause], ["source", finding.source && h("code", {}, finding.source)],
          ["first seen", when(finding.first_seen ?? finding.opened_at)], ["last seen", when(finding.last_seen)], ["known since", when(finding.opened_at)],
          ["resolved", finding.resolved_at && [when(finding.resolved_at), finding.resolved_by_hand && ` by ${finding.resolved_by_hand.by}${finding.resolved_by_hand.why ? `: ${finding.resolved_by_hand.why}` : ""}`]],
          ["rate", f.isNumber(rate) && h("span", {}, `${f.number(rate)} a minute`, f.isNumber(usual) && `, usually ${f.number(usual)}`,
            f.isNumber(usual) && most > 0 && [meter("rate now", (rate / most) * 100, 200, 200), meter("usual rate", (usual / most) * 100, 200, 200)])],
          ...others.map(([key, value]) => [f.words(key), String(value)]),
          ["fingerprint", h("code", {}, finding.fingerprint)],
        ]),
        h("div", { class: "row" },
          h("a", { class: "button small", href: `#/instant?t=${f.ms(finding.first_seen ?? finding.opened_at)}` }, icon("rewind"), "The machine when it began"),
          resolve))));
}
