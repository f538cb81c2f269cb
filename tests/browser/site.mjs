// A ghostd with the demo's history, daemons to watch, and a browser that looks at it.

import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const DAEMONS = ["relayCore", "watchdog", "executor", "healer", "validationEngine", "messageQueue", "healthAggregator", "decisionEngine"];
/** How long anything may take that should take a moment. Only a failure waits so long. */
export const PATIENCE = 60_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Looks until there is something, and fails with `what` when it takes too long. */
export async function until(what, look, limit = PATIENCE) {
  const started = Date.now();
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() - started > limit) throw new Error(`${what}: not within ${limit} ms`);
    await sleep(25);
  }
}

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** The line between the browser and ghostd, which can be cut and mended. */
class Line {
  static async to(target) {
    const line = new Line();
    line.target = target;
    line.port = await freePort();
    line.sockets = new Set();
    await line.mend();
    return line;
  }

  mend() {
    this.server = createServer((near) => {
      const far = connect(this.target, "127.0.0.1");
      for (const [one, other] of [[near, far], [far, near]]) {
        this.sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.sockets.delete(one);
          other.destroy();
        });
      }
    });
    return new Promise((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
  }

  cut() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    return closed;
  }
}

export class Site {
  static async start({ demo = true, config = "", until: ends } = {}) {
    const site = new Site();
    site.dir = mkdtempSync(join(tmpdir(), "ghostd-browser-"));
    site.data = join(site.dir, "data");
    site.port = await freePort();
    site.line = await Line.to(site.port);
    site.url = `http://127.0.0.1:${site.line.port}`;
    site.processes = new Map();
    site.config = config;
    site.configure();
    if (demo) site.ghostd(["demo", ...(ends ? ["--until", ends] : [])]);
    for (const name of DAEMONS) site.startDaemon(name);
    await site.run();
    const made = JSON.parse(site.ghostd(["token", "new", "browser", "--scope", "admin", "--json"]));
    site.token = made.token ?? made.secret;
    if (!site.token) throw new Error(`no token in ${JSON.stringify(made)}`);
    return site;
  }

  configure(more = "") {
    writeFileSync(join(this.dir, "config.toml"), `[api]\nlisten = "127.0.0.1:${this.port}"\nhosts = ["127.0.0.1:${this.line.port}"]\n[heartbeat]\nevery = "1s"\n[control]\nsocket = ${JSON.stringify(join(this.dir, "control.sock"))}\n[collector.anomaly]\nfiles = {}\n[daemon_defaults]\nrestarted_for = "3s"\n${this.config}\n${more}\n`);
  }

  #arguments(given) {
    return ["--config", join(this.dir, "config.toml"), "--data-dir", this.data, ...given];
  }

  /** Gives a command and waits for its end. */
  ghostd(given) {
    const done = spawnSync(process.env.GHOSTD, this.#arguments(given), { encoding: "utf8", timeout: 4 * PATIENCE });
    if (done.status !== 0) throw new Error(`ghostd ${given.join(" ")} ended with ${done.status}: ${done.stderr}`);
    return done.stdout;
  }

  async run() {
    this.log = "";
    this.recorder = spawn(process.env.GHOSTD, this.#arguments(["run"]), { stdio: ["ignore", "pipe", "pipe"] });
    for (const pipe of [this.recorder.stdout, this.recorder.stderr]) pipe.on("data", (text) => (this.log += text));
    await until(`the API answers (ghostd said: ${this.log})`, async () => {
      if (this.recorder.exitCode !== null) throw new Error(`ghostd ended with ${this.recorder.exitCode}: ${this.log}`);
      return fetch(`http://127.0.0.1:${this.port}/readyz`).then((answer) => answer.ok, () => false);
    }, 2 * PATIENCE);
  }

  async stop() {
    const ended = new Promise((resolve) => this.recorder.once("exit", resolve));
    this.recorder.kill("SIGTERM");
    await ended;
  }

  startDaemon(name) {
    const program = join(this.dir, name);
    if (!existsSync(program)) copyFileSync("/bin/sleep", program);
    const child = spawn(program, ["100000"], { stdio: "ignore" });
    this.processes.set(name, child);
    return child;
  }

  killDaemon(name) {
    this.processes.get(name).kill("SIGKILL");
    this.processes.delete(name);
  }

  async end() {
    if (this.recorder?.exitCode === null) await this.stop().catch(() => {});
    for (const child of this.processes.values()) child.kill("SIGKILL");
    await this.line.cut();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A browser of its own, with nothing that a browser does by itself in the background. */
export const browser = () => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** Logs in at the form. */
export async function logIn(page, site) {
  await page.goto(`${site.url}/`);
  await page.getByLabel("Token").fill(site.token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "Now" }).waitFor();
}
