// One tooltip for all of the page.

import { h, put } from "./dom.js";

let box;

/** Shows these lines beside a point of the window. */
export function show(x, y, ...lines) {
  if (!box) {
    box = h("div", { class: "tip", role: "presentation" });
    document.body.append(box);
  }
  put(box, lines.map((line) => (line instanceof Node ? line : h("div", {}, line))));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = Math.min(Math.max(6, x + 14 + width > innerWidth ? x - width - 14 : x + 14), innerWidth - width - 6);
  const top = y + 16 + height > innerHeight ? y - height - 12 : y + 16;
  box.style.left = `${Math.max(6, left)}px`;
  box.style.top = `${Math.max(6, top)}px`;
}

export function hide() {
  if (box) box.hidden = true;
}

addEventListener("scroll", hide, { passive: true, capture: true });
addEventListener("keydown", (event) => event.key === "Escape" && hide());
