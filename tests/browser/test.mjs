// Every view, and what must happen while somebody looks.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { DAEMONS, Site, browser, logIn, sleep, until } from "./site.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** What a death may take to be seen. The design says a second; the rest is for a machine that is busy. */
const SEEN_WITHIN = 1_500;
const ALERT = `
[[alert]]
name = "watchdog-down"
when = "daemon.failed_count >= 1"
severity = "high"
`;

const VIEWS = [
  ["now", "Now"], ["instant", "Any instant"], ["snapshots", "Snapshots"], ["findings", "Findings"], ["alerts", "Alerts"],
  ["timeline", "Timeline"], ["events", "Events"], ["collectors", "Collectors"], ["collectors/daemon", "daemon"], ["daemons/relayCore", "relayCore"],
];

const faults = [];
let quietly = false;
let steps = 0;
const started = Date.now();
const step = (text) => console.log(`${String(++steps).padStart(2)}  ${((Date.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`);

/** Whatever a page does that it must not. */
function watch(page, site) {
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && !quietly && faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack ?? error.message}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== site.url && protocol !== "data:" && protocol !== "blob:") faults.push(`request elsewhere: ${request.url()}`);
  });
  page.on("response", (response) => response.status() >= 500 && !quietly && faults.push(`${response.status()} for ${response.url()}`));
}

async function axe(page, what) {
  // The policy of the page forbids scripts that are put in; the test's own world is another matter.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { impact, id, help, nodes } of violations) {
    const text = `axe, ${what}: ${impact} ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`;
    if (["serious", "critical"].includes(impact)) faults.push(text);
    else console.log(`    ${text}`);
  }
}

const settled = (page) => page.waitForFunction(() => !document.querySelector("[aria-busy]") && !document.querySelector(".loading"), undefined, { timeout: 30_000 });
const card = (page, name) => page.locator(`article[aria-label="${name}"]`);

async function main() {
  const site = await Site.start({ config: ALERT });
  const chrome = await browser();
  try {
    const context = await chrome.newContext({ viewport: { width: 1360, height: 900 }, colorScheme: "light", reducedMotion: "reduce" });
    const page = await context.newPage();
    watch(page, site);

    quietly = true;
    await page.goto(`${site.url}/`);
    await page.getByLabel("Token").waitFor();
    await axe(page, "login");
    await page.getByLabel("Token").fill("gt_nobody");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("This token is not good here.").waitFor();
    step("a wrong token is refused");
    await logIn(page, site);
    quietly = false;
    step("a good token logs in");

    await until("all daemons run", async () => (await page.locator('article[data-state="running"]').count()) === DAEMONS.length);
    for (const [view, title] of VIEWS) {
      await page.goto(`${site.url}/#/${view}`);
      await page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
      await settled(page);
      await sleep(150);
      assert.equal(await page.locator(".fault").count(), 0, `a fault is shown in ${view}: ${await page.locator(".fault").allTextContents()}`);
      await axe(page, `${view}, light`);
    }
    step("every view opens, and axe finds nothing serious");
    await page.emulateMedia({ colorScheme: "dark" });
    for (const [view] of VIEWS) {
      await page.goto(`${site.url}/#/${view}`);
      await settled(page);
      await sleep(150);
      await axe(page, `${view}, dark`);
    }
    await page.emulateMedia({ colorScheme: "light" });
    step("the same in dark");

    const phone = await context.newPage();
    watch(phone, site);
    await phone.setViewportSize({ width: 390, height: 844 });
    for (const [view] of VIEWS) {
      await phone.goto(`${site.url}/#/${view}`);
      await settled(phone);
      const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${view} is ${wide} pixels wider than a phone`);
    }
    await phone.close();
    step("nothing is wider than a phone");

    await page.goto(`${site.url}/#/now`);
    await card(page, "relayCore").waitFor();
    const killed = Date.now();
    site.killDaemon("relayCore");
    await until("the death is seen", async () => (await card(page, "relayCore").getAttribute("data-state")) === "failed", 10_000);
    const took = Date.now() - killed;
    assert.ok(took < SEEN_WITHIN, `a death was seen after ${took} ms`);
    assert.ok((await card(page, "relayCore").locator("rect.fill-bad").count()) > 0, "no red cell");
    await page.getByText(/daemons healthy: .*relayCore is failed/).first().waitFor();
    step(`a killed daemon is red after ${took} ms`);
    site.startDaemon("relayCore");
    await until("its return is seen", async () => ["restarted", "running"].includes(await card(page, "relayCore").getAttribute("data-state")));
    step("its return is seen");

    await page.goto(`${site.url}/#/alerts`);
    site.killDaemon("watchdog");
    await page.locator('li[data-state="firing"]', { hasText: "watchdog-down" }).waitFor({ timeout: 30_000 });
    step("an alert fires");
    site.startDaemon("watchdog");
    await page.locator('li[data-state="resolved"]', { hasText: "watchdog-down" }).waitFor({ timeout: 60_000 });
    step("and is resolved");

    const hours = (count) => Date.now() - count * 3_600_000;
    await page.goto(`${site.url}/#/instant?t=${hours(14)}`);
    await settled(page);
    await page.getByRole("table").first().waitFor();
    const before = await page.locator("output").textContent();
    await page.keyboard.press("ArrowLeft");
    await until("a step by a snapshot", async () => (await page.locator("output").textContent()) !== before);
    await page.getByRole("button", { name: "Compare with another instant" }).click();
    for (let n = 0; n < 6; n += 1) await page.keyboard.press("ArrowLeft");
    await page.locator(".changes li").first().waitFor();
    step(`time travel and comparison: ${await page.locator(".changes li").count()} changes`);
    await page.goto(`${site.url}/#/instant?hours=24&metric=system.filesystem.utilization`);
    await settled(page);
    const plot = page.locator(".charts .plot svg").first();
    await plot.scrollIntoViewIfNeeded();
    await until("the charts have lines", async () => (await page.locator(".charts path.line").count()) > 5);
    const box = await plot.boundingBox();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
    await page.locator(".tip").waitFor();
    assert.ok((await page.locator(".charts line.cursor").count()) > 3, "the charts share the cursor");
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await page.getByRole("button", { name: "Zoom out" }).first().waitFor();
    step("charts: one cursor for all, drag to zoom");

    await page.goto(`${site.url}/#/snapshots`);
    await page.getByRole("button", { name: "Take a snapshot" }).click();
    await page.getByLabel(/What for/).fill("<img src=x onerror=alert(1)>");
    await page.getByRole("button", { name: "Take it" }).click();
    await page.getByRole("heading", { level: 1, name: "Snapshot", exact: true }).waitFor({ timeout: 60_000 });
    await page.getByText("<img src=x onerror=alert(1)>").waitFor();
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("Every byte is what was written").waitFor();
    await page.getByRole("button", { name: "Keep", exact: true }).click();
    await page.getByLabel("Why").fill("for the test");
    await page.getByRole("button", { name: "Keep it" }).click();
    await page.getByRole("button", { name: "Keep no longer" }).waitFor();
    await page.getByRole("button", { name: "raw JSON" }).click();
    await page.getByLabel("The snapshot as JSON").waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download" }).click();
    assert.match((await download).suggestedFilename(), /^snapshot-[0-9a-f-]{36}\.json$/);
    step("a snapshot: taken, verified, kept, downloaded; what looks like markup is text");

    await page.goto(`${site.url}/#/events`);
    await settled(page);
    site.killDaemon("executor");
    await page.locator("tbody tr", { hasText: "daemon executor is failed" }).first().waitFor({ timeout: 10_000 });
    site.startDaemon("executor");
    step("the events have a live tail");

    await page.goto(`${site.url}/#/now`);
    await card(page, "healer").waitFor();
    quietly = true;
    await site.line.cut();
    await page.getByText("The connection to ghostd is lost").waitFor({ timeout: 20_000 });
    step("a lost connection is said");
    site.killDaemon("healer");
    await sleep(1_500);
    assert.equal(await card(page, "healer").getAttribute("data-state"), "running", "nobody could tell yet");
    await site.line.mend();
    await page.getByText("The connection to ghostd is lost").waitFor({ state: "hidden", timeout: 60_000 });
    await until("what happened meanwhile is shown", async () => (await card(page, "healer").getAttribute("data-state")) === "failed", 10_000);
    quietly = false;
    step("it comes back and catches up");

    quietly = true;
    await site.stop();
    await site.run();
    await page.getByText("Your session is over").waitFor({ timeout: 60_000 });
    await page.getByLabel("Token").fill(site.token);
    await page.getByRole("button", { name: "Log in" }).click();
    await card(page, "healer").waitFor();
    quietly = false;
    step("a restart ends the session, and says so");

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    quietly = true;
    await page.reload();
    await page.getByLabel("Token").waitFor();
    step("logging out is for good");
    assert.deepEqual(faults, []);
    console.log(`all ${steps} steps in ${((Date.now() - started) / 1000).toFixed(1)} s; no console error, no request elsewhere`);
  } catch (error) {
    console.error(site.log.slice(-4000));
    for (const fault of faults) console.error(fault);
    throw error;
  } finally {
    await chrome.close();
    await site.end();
  }
}

await main();
