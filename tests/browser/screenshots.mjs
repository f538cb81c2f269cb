// The README's pictures, from the demo's history with living daemons beside it: screenshots.mjs DIR

import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Site, browser, logIn, sleep } from "./site.mjs";

const HOUR = 3_600_000;
/** How long the daemons are watched before the first picture, so that the rows of beats are theirs. */
const BEATS = 95;

const into = process.argv[2];
if (!into) throw new Error("name the directory that the pictures go to");
mkdirSync(into, { recursive: true });

const site = await Site.start();
const chrome = await browser();
try {
  const now = Date.now();
  const shoot = async (name, path, { scheme = "light", width = 1280, height = 800, before } = {}) => {
    const context = await chrome.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    await logIn(page, site);
    await page.goto(`${site.url}/#/${path}`);
    await page.waitForFunction(() => !document.querySelector("[aria-busy], .loading"));
    await before?.(page);
    await sleep(900);
    const file = join(into, `${name}.png`);
    await page.screenshot({ path: file });
    console.log(`${file}: ${Math.round(statSync(file).size / 1000)} kB`);
    await context.close();
  };
  // A death a while ago, so that there is something to see in the rows.
  await sleep((BEATS - 25) * 1000);
  site.killDaemon("executor");
  await sleep(4_000);
  site.startDaemon("executor");
  await sleep(21_000);
  await shoot("now", "now");
  await shoot("now-dark", "now", { scheme: "dark" });
  await shoot("instant", `instant?t=${now - 20.97 * HOUR}`, {
    height: 900,
    before: async (page) => {
      await page.getByRole("button", { name: "Compare with another instant" }).click();
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("ArrowLeft");
      await page.locator(".changes li").first().waitFor();
    },
  });
  await shoot("phone", "now", { width: 390, height: 800 });
} finally {
  await chrome.close();
  await site.end();
}
