// The frame: who is logged in, which view is shown, whether the feed is alive.

import { Problem, get, remove, whenLoggedOut } from "./api.js";
import { announce, h, icon, put } from "./dom.js";
import * as f from "./format.js";
import { Live } from "./live.js";
import { badge } from "./states.js";
import { hide as hideTip } from "./tip.js";
import { fault } from "./ui.js";
import { login } from "./views/login.js";

/** A heartbeat that is older than so many intervals is late, and beyond twice that the feed has stopped. */
const LATE = 2.2;
const STOPPED = 4;

const VIEWS = [
  ["now", "Now", "now"], ["instant", "Any instant", "rewind"], ["snapshots", "Snapshots", "box"], ["findings", "Findings", "warn"],
  ["alerts", "Alerts", "bell"], ["timeline", "Timeline", "path"], ["events", "Events", "lines"], ["collectors", "Collectors", "plug"],
];
const MODULES = { now: "now", instant: "instant", snapshots: "snapshots", findings: "findings", alerts: "alerts", timeline: "timeline", events: "events", collectors: "collectors", daemons: "daemon" };

const app = document.getElementById("app");
let live;
let session;
let ended = [];
let shown = 0;

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main")?.focus();
});

function endView() {
  for (const end of ended.splice(0)) end();
  hideTip();
}

function logOutHere(text) {
  live?.end();
  live = undefined;
  endView();
  put(app, login(begin, text));
  document.title = "ghostd: log in";
  app.querySelector("input")?.focus();
}

/** What stands behind the # as a view, the rest of its path, and its settings. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view || "now", rest: rest.map(decodeURIComponent), settings: new URLSearchParams(query) };
}

async function begin() {
  try {
    session = await get("/session", undefined, { quiet: true });
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) return logOutHere();
    put(app, h("div", { class: "login" }, h("div", { class: "stack" }, fault(error), h("button", { onclick: begin }, "Try again"))));
    setTimeout(() => live || begin(), 3000);
    return undefined;
  }
  live = new Live();
  try {
    await live.start();
  } catch (error) {
    if (error.status === 401) return undefined;
    put(app, h("div", { class: "login" }, h("div", { class: "stack" }, fault(error), h("button", { onclick: begin }, "Try again"))));
    return undefined;
  }
  frame();
  return show();
}

let parts;

function frame() {
  const nav = VIEWS.map(([view, name, glyph]) => {
    const count = h("span", { class: "count", hidden: true });
    return [view, h("a", { href: `#/${view}` }, icon(glyph), h("span", {}, name), count), count];
  });
  const pulse = h("span", { class: "pulse", title: "The age of the last heartbeat" });
  const verdict = h("span", {});
  const where = h("span", { class: "where" });
  const banner = h("div", { class: "banner", role: "alert", hidden: true });
  const main = h("main", { class: "main", id: "main", tabindex: "-1" });
  const content = h("div");
  main.append(banner, content);
  const leave = h("button", { class: "quiet small", type: "button", title: `Log out (${session.who})`, onclick: logOut }, icon("leave"), h("span", { class: "hide-small" }, "Log out"));
  put(app, h("div", { class: "frame" },
    h("header", { class: "bar" },
      h("a", { class: "brand", href: "#/now", "aria-label": "ghostd" }, h("img", { src: "/favicon.svg", alt: "", width: "22", height: "22" }), h("span", {}, "ghostd")),
      where, verdict, h("span", { class: "push" }), pulse, themeButton(), session.via === "socket" ? undefined : leave),
    h("nav", { class: "nav", "aria-label": "Views" }, h("ul", {}, nav.map(([, a]) => h("li", {}, a)))),
    main));
  parts = { nav, pulse, verdict, where, banner, main, content };
  const context = { onEnd: () => {} };
  live.on(context, "heartbeat refreshed status", tick);
  live.on(context, "heartbeat", () => {
    pulse.classList.remove("beat");
    requestAnimationFrame(() => pulse.classList.add("beat"));
  });
  live.on(context, "connection caught up", connection);
  live.on(context, "alerts refreshed status", counts);
  tick();
  counts();
  get("/snapshots/latest").then(({ snapshot }) => (where.textContent = snapshot.host.hostname), () => {});
}

setInterval(() => live && parts && tick(), 500);

function tick() {
  if (!live || !parts) return;
  const { pulse, verdict, banner } = parts;
  const age = live.age;
  const interval = (live.beat?.interval_ms ?? 5000) / 1000;
  const lost = live.connection === "lost";
  const isLate = age !== undefined && age > interval * LATE + 1;
  const hasStopped = age !== undefined && age > interval * STOPPED + 2;
  pulse.classList.toggle("late", isLate && !lost);
  pulse.classList.toggle("lost", lost || hasStopped);
  if (age === undefined) put(pulse, "no heartbeat yet");
  else put(pulse, h("span", {}, h("span", { class: "hide-small" }, "last "), `heartbeat ${f.coarse(age)} ago`));
  const status = lost || hasStopped ? "no_data" : live.beat?.overall.status ?? "unknown";
  if (verdict.dataset.status !== status) {
    verdict.dataset.status = status;
    put(verdict, badge(status));
    document.title = `${status === "healthy" ? "" : `${f.words(status)}: `}ghostd`;
  }
  const text = lost ? "The connection to ghostd is lost. What is shown here is old; it is tried again."
    : hasStopped ? `No heartbeat for ${f.duration(age)}: ghostd does not record.` : undefined;
  if (banner.dataset.text !== (text ?? "")) {
    banner.dataset.text = text ?? "";
    banner.hidden = text === undefined;
    put(banner, text && [icon("cross"), text]);
  }
}

function connection(_, kind) {
  if (kind === "caught up") announce("The connection is back; everything is up to date.");
  tick();
}

function counts() {
  const open = live.status?.open_findings ?? {};
  const findings = Object.values(open).reduce((sum, count) => sum + count, 0);
  const firing = live.firing.length;
  const set = { findings: [findings, open.critical || open.high ? "bad" : "warn"], alerts: [firing, "bad"] };
  for (const [view, , count] of parts.nav) {
    const [number, colour] = set[view] ?? [0];
    count.hidden = number === 0;
    count.className = `count ${colour ?? ""}`;
    put(count, h("span", { "aria-hidden": "true" }, number), h("span", { class: "sr-only" }, ` ${number} ${view === "alerts" ? "firing" : "open"}`));
  }
}

async function logOut() {
  try {
    await remove("/session", { quiet: true });
  } catch {
    // Whatever the server says: here it is over.
  }
  logOutHere("You are logged out.");
}

function themeButton() {
  const now = () => document.documentElement.dataset.theme ?? "system";
  const next = { system: "light", light: "dark", dark: "system" };
  const glyphs = { system: "half", light: "sun", dark: "moon" };
  const button = h("button", { class: "quiet small", type: "button" });
  const draw = () => {
    const text = `Theme: ${now()}. Change to ${next[now()]}`;
    button.title = text;
    button.setAttribute("aria-label", text);
    put(button, icon(glyphs[now()]));
  };
  button.addEventListener("click", () => {
    const theme = next[now()];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === "system") localStorage.removeItem("ghostd.theme");
      else localStorage.setItem("ghostd.theme", theme);
    } catch {
      // It lasts as long as the page, then.
    }
    draw();
  });
  draw();
  return button;
}

async function show() {
  if (!live || !parts) return;
  const mine = ++shown;
  const { view, rest, settings } = place();
  const name = MODULES[view] ?? "now";
  for (const [one, a] of parts.nav) {
    const current = one === view || (view === "daemons" && one === "now") || (!MODULES[view] && one === "now");
    if (current) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  let module;
  try {
    module = await import(`./views/${name}.js`);
  } catch {
    put(parts.content, fault(new Error("this view could not be loaded")));
    return;
  }
  if (mine !== shown) return;
  endView();
  const aborter = new AbortController();
  ended.push(() => aborter.abort());
  const context = { live, session, rest, settings, signal: aborter.signal, onEnd: (end) => ended.push(end) };
  put(parts.content, module.view(context));
  const current = parts.nav.find(([one]) => one === view)?.[1];
  current?.scrollIntoView({ block: "nearest", inline: "center" });
  announce(parts.content.querySelector("h1")?.textContent ?? "");
}

/** Changes what stands behind the # without opening the view anew. */
export function remember(path, settings) {
  const query = new URLSearchParams(Object.entries(settings).filter(([, value]) => value !== undefined && value !== "")).toString();
  history.replaceState(null, "", `#/${path}${query ? `?${query}` : ""}`);
}

addEventListener("hashchange", () => {
  show();
  scrollTo(0, 0);
});
whenLoggedOut(() => live && logOutHere("Your session is over. Log in again."));
begin();
