// What is so now, kept up to date by the stream.

import { Stream, get, ifThere } from "./api.js";
import { ms } from "./format.js";

/** Beats that are shown of each daemon. */
export const BEATS = 90;
const KINDS = ["heartbeat", "event", "snapshot", "finding", "alert", "silence", "document", "gap"];
const RECEIVERS = "alert_receiver";

export class Live extends EventTarget {
  status = undefined;
  daemons = [];
  alerts = { alerts: [], silences: [], receivers: [] };
  connection = "connecting";
  #skew = 0;
  #stream;
  #refreshing;

  async start() {
    await this.refresh();
    this.#stream = new Stream(KINDS, (kind, data) => this.#told(kind, data), (state) => this.#connected(state));
  }

  end() {
    this.#stream?.end();
  }

  /** Asks for everything anew. */
  refresh() {
    this.#refreshing ??= this.#ask().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #ask() {
    const [status, daemons, alerts] = await Promise.all([get("/status"), get("/daemons", { beats: BEATS }), this.#askAlerts()]);
    this.status = status;
    this.#skew = ms(status.now) - Date.now();
    this.daemons = daemons.items;
    this.alerts = alerts;
    this.#tell("refreshed");
  }

  async #askAlerts() {
    const none = { alerts: [], silences: [], receivers: [] };
    const found = await ifThere(get("/alerts"), none);
    return { ...none, ...found, alerts: found.alerts ?? found.items ?? [] };
  }

  async refreshAlerts() {
    this.alerts = await this.#askAlerts();
    this.#tell("alerts");
  }

  async refreshStatus() {
    this.status = await get("/status");
    this.#tell("status");
  }

  get beat() {
    return this.status?.heartbeat;
  }

  /** The machine's own time, as far as can be told from here. */
  now() {
    return Date.now() + this.#skew;
  }

  /** How old the last heartbeat is, in seconds. */
  get age() {
    return this.beat ? Math.max(0, (this.now() - ms(this.beat.at)) / 1000) : undefined;
  }

  get firing() {
    return this.alerts.alerts.filter((alert) => alert.state === "firing");
  }

  #connected(state) {
    this.connection = state === "caught up" ? "live" : state;
    this.#tell("connection");
    if (state === "caught up") this.refresh().then(() => this.#tell("caught up"), () => {});
  }

  #told(kind, data) {
    if (kind === "heartbeat") {
      const beat = data.heartbeat ?? data;
      if (this.status) this.status = { ...this.status, heartbeat: beat };
      for (const daemon of beat.daemons) {
        const known = this.daemons.find((one) => one.name === daemon.name);
        const cell = { at: beat.at, status: daemon.status, state: daemon.state, maintenance: daemon.maintenance, pid: daemon.pid, ping_ms: daemon.ping?.latency_ms };
        if (known) Object.assign(known, { pid: undefined, cpu_percent: undefined, memory_bytes: undefined, uptime_seconds: undefined, maintenance: undefined, state: undefined, ping: undefined }, daemon, { at: beat.at, beats: [...known.beats, cell].slice(-BEATS) });
        else this.daemons.push({ ...daemon, at: beat.at, beats: [cell] });
      }
      this.daemons = this.daemons.filter((known) => beat.daemons.some((daemon) => daemon.name === known.name));
      this.#tell("heartbeat", beat);
      return;
    }
    if (kind === "gap") this.refresh().then(() => this.#tell("caught up"), () => {});
    if (kind === "alert" || kind === "silence" || data.namespace === RECEIVERS) this.#alertsSoon();
    if (kind === "finding" || kind === "snapshot") this.#statusSoon();
    this.#tell(kind, data);
  }

  #alertsTimer;
  #alertsSoon() {
    clearTimeout(this.#alertsTimer);
    this.#alertsTimer = setTimeout(() => this.refreshAlerts().catch(() => {}), 100);
  }

  #statusTimer;
  #statusSoon() {
    clearTimeout(this.#statusTimer);
    this.#statusTimer = setTimeout(() => this.refreshStatus().catch(() => {}), 300);
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  /** Listens until the view ends. */
  on(context, kinds, told) {
    for (const kind of kinds.split(" ")) {
      const heard = (event) => told(event.detail, kind);
      this.addEventListener(kind, heard);
      context.onEnd(() => this.removeEventListener(kind, heard));
    }
  }
}
