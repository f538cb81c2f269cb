// A row of beats: one cell for each, explained where the pointer or the keyboard is.

import { h, onceAFrame, put, s } from "./dom.js";
import * as f from "./format.js";
import { heightOf, stateOf, tone } from "./states.js";
import * as tip from "./tip.js";

const WIDE = 10;
const HIGH = 26;

/** A row for `count` beats, oldest at the left; gaps are filled from the left. */
export function beatBar(label, count, { tall = false } = {}) {
  const svg = s("svg", {
    class: tall ? "beats tall" : "beats", viewBox: `0 0 ${count * WIDE} ${HIGH}`, preserveAspectRatio: "none", tabindex: "0", role: "slider",
    "aria-label": label, "aria-valuemin": "1", "aria-valuemax": String(count), "aria-valuenow": String(count), "aria-orientation": "horizontal",
  });
  const cells = s("g");
  const here = s("rect", { class: "here", y: 0.75, height: HIGH - 1.5, width: WIDE - 1, "vector-effect": "non-scaling-stroke", visibility: "hidden" });
  svg.append(cells, here);
  let beats = [];
  let chosen = count - 1;

  const explain = (beat) => {
    if (!beat) return ["nothing recorded"];
    const state = stateOf(beat);
    const lines = [h("div", {}, h("b", {}, f.words(state)), beat.pid ? `, pid ${beat.pid}` : ""), f.moment(beat.at)];
    if (f.isNumber(beat.ping_ms)) lines.push(`ping ${f.duration(beat.ping_ms / 1000)}`);
    if (beat.why ?? beat.reason) lines.push(beat.why ?? beat.reason);
    return lines;
  };
  const spoken = (beat) => (beat ? `${f.words(stateOf(beat))} at ${f.clock(beat.at)}` : "nothing recorded");
  const place = (index) => beats[index - (count - beats.length)];

  const draw = onceAFrame(() => {
    put(cells, Array.from({ length: count }, (_, index) => {
      const beat = place(index);
      const state = beat ? stateOf(beat) : "no_data";
      const height = (beat ? heightOf(state) : 0.08) * HIGH;
      const x = index * WIDE;
      const cell = s("rect", { x, y: HIGH - height, width: WIDE - 2.4, height, rx: 1.5, class: `fill-${tone(state)}` });
      // What failed is marked at the top as well: a full cell with a notch.
      const notch = tone(state) === "bad" && s("rect", { class: "notch", x: x + 2.4, y: 5, width: WIDE - 7.2, height: 5 });
      return [cell, notch];
    }));
    svg.setAttribute("aria-valuenow", String(chosen + 1));
    svg.setAttribute("aria-valuetext", spoken(place(chosen)));
  });

  const point = (index, x, y) => {
    chosen = Math.max(0, Math.min(count - 1, index));
    here.setAttribute("x", chosen * WIDE - 0.6);
    here.setAttribute("visibility", "visible");
    svg.setAttribute("aria-valuenow", String(chosen + 1));
    svg.setAttribute("aria-valuetext", spoken(place(chosen)));
    const box = svg.getBoundingClientRect();
    tip.show(x ?? box.left + ((chosen + 0.5) / count) * box.width, y ?? box.bottom - 8, ...explain(place(chosen)));
  };
  const leave = () => {
    here.setAttribute("visibility", "hidden");
    tip.hide();
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    point(Math.floor(((event.clientX - box.left) / box.width) * count), event.clientX, event.clientY);
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("focus", () => svg.matches(":focus-visible") && point(chosen));
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: chosen - 1, ArrowDown: chosen - 1, ArrowRight: chosen + 1, ArrowUp: chosen + 1, Home: 0, End: count - 1, PageUp: chosen + 10, PageDown: chosen - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });
  draw();
  return {
    element: svg,
    set(given) {
      beats = given.slice(-count);
      draw();
    },
    push(beat) {
      beats = [...beats, beat].slice(-count);
      draw();
    },
    get beats() {
      return beats;
    },
  };
}

/** A small curve without axes. */
export function spark(label) {
  const under = s("path", { class: "under" });
  const line = s("path", { "vector-effect": "non-scaling-stroke" });
  const svg = s("svg", { class: "spark", viewBox: "0 0 100 26", preserveAspectRatio: "none", role: "img", "aria-label": label }, under, line);
  return {
    element: svg,
    set(values) {
      const known = values.filter(f.isNumber);
      if (known.length < 2) {
        line.removeAttribute("d");
        under.removeAttribute("d");
        return;
      }
      const [low, high] = [Math.min(0, ...known), Math.max(...known) || 1];
      const spots = values.flatMap((value, index) =>
        f.isNumber(value) ? [[(index / (values.length - 1)) * 100, 25 - ((value - low) / (high - low || 1)) * 23]] : []);
      const path = spots.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
      line.setAttribute("d", path);
      under.setAttribute("d", `${path}L${spots.at(-1)[0].toFixed(2)} 26L${spots[0][0].toFixed(2)} 26Z`);
    },
  };
}
