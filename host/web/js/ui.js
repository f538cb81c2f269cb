// Parts that several views use.

import { offers } from "./api.js";
import { add, announce, h, icon, put } from "./dom.js";
import * as f from "./format.js";

/** A box with a heading. */
export function panel(title, { sub, tools, flush, cls, level = "h2" } = {}, ...body) {
  const inner = h("div", { class: flush ? "body flush" : "body" }, body);
  return h("section", { class: `panel ${cls ?? ""}`, "aria-label": title },
    h("header", {}, h(level, {}, title), sub && h("span", { class: "sub" }, sub), tools && h("div", { class: "row push" }, tools)), inner);
}

export const empty = (text) => h("p", { class: "empty" }, text);

/** The top of a view. */
export function head(title, { sub, tools } = {}) {
  return h("div", { class: "head" }, h("h1", {}, title), sub && h("span", { class: "sub" }, sub), tools && h("div", { class: "row push" }, tools));
}

/** Names and values. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return h("dl", { class: "facts" }, shown.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A large figure with its name. */
export const figure = (name, value) => h("dl", { class: "figure" }, h("dt", {}, name), h("dd", {}, value));

/** Buttons of which one is pressed. */
export function choice(label, options, chosen, choose) {
  const group = h("div", { class: "choice", role: "group", "aria-label": label });
  const draw = (now) => put(group, options.map(([value, text]) =>
    h("button", { type: "button", "aria-pressed": String(value === now), onclick: () => pick(value) }, text)));
  const pick = (value) => {
    draw(value);
    [...group.children][options.findIndex(([one]) => one === value)]?.focus();
    choose(value);
  };
  draw(chosen);
  group.choose = draw;
  return group;
}

/** A table. Cells are texts or nodes; a column is `[name, numeric]`. */
export function table(label, columns, rows, { cls } = {}) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
    h("table", { class: cls },
      h("thead", {}, h("tr", {}, columns.map(([name, numeric]) => h("th", { scope: "col", class: numeric && "num" }, name || h("span", { class: "sr-only" }, "more"))))),
      h("tbody", {}, rows.map((cells) => (cells instanceof Node ? cells : row(cells, columns))))));
}

export const row = (cells, columns, props) =>
  h("tr", props, cells.map((cell, index) => h("td", { class: columns?.[index]?.[1] && "num" }, cell)));

/** Shows what a promise brings, and its fault where it brings none. */
export async function load(place, asked, show) {
  if (!place.hasChildNodes()) put(place, h("p", { class: "loading" }, "Loading…"));
  place.setAttribute("aria-busy", "true");
  try {
    const brought = await asked;
    put(place, show(brought));
  } catch (error) {
    if (error.name !== "AbortError") put(place, fault(error));
  } finally {
    place.removeAttribute("aria-busy");
  }
}

export const fault = (error) => h("p", { class: "fault", role: "alert" }, icon("cross"), " ", error.message);

/** Asks for something in a dialog. `fields` are inputs with names; gives what was filled in, or nothing. */
export function askFor(title, { text, fields = [], does = "OK" }) {
  return new Promise((resolve) => {
    const cancel = h("button", { type: "button" }, "Cancel");
    const form = h("form", { method: "dialog" },
      h("h2", {}, title), text && h("p", { class: "soft" }, text),
      fields.map(({ label, ...props }) => {
        const id = `field-${props.name}`;
        if (props.type === "checkbox") return h("label", { for: id }, h("input", { id, ...props }), " ", label);
        if (props.options) {
          const { options, ...rest } = props;
          return h("div", { class: "field" }, h("label", { for: id }, label),
            h("select", { id, ...rest }, options.map(([value, word]) => h("option", { value }, word))));
        }
        return h("div", { class: "field" }, h("label", { for: id }, label), h("input", { id, autocomplete: "off", ...props }));
      }),
      h("div", { class: "row" }, cancel, h("button", { class: "primary", type: "submit" }, does)));
    const dialog = h("dialog", { "aria-label": title }, form);
    const end = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    cancel.addEventListener("click", () => end(undefined));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      end(undefined);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const inputs = [...form.elements].filter((input) => input.name);
      end(Object.fromEntries(inputs.map((input) => [input.name, input.type === "checkbox" ? input.checked : input.value.trim()])));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Runs an order behind a button; says what came of it. */
export async function order(button, does, said) {
  const wasDisabled = button.disabled;
  button.disabled = true;
  button.parentElement?.querySelector(".order-fault")?.remove();
  try {
    const brought = await does();
    announce(typeof said === "function" ? said(brought) : said ?? "done");
    return brought;
  } catch (error) {
    const note = h("span", { class: "badge bad order-fault", role: "alert" }, error.message);
    button.after(note);
    return undefined;
  } finally {
    button.disabled = wasDisabled;
  }
}

/** Shows a button where this ghostd can be asked for what it does, by somebody who may. */
export function offered(button, context, method, path, wanted = true) {
  button.hidden = true;
  if (wanted && context.session.scope !== "read") offers(method, path).then((can) => (button.hidden = !can));
  return button;
}

/** A bar for a share of a hundred. */
export function meter(label, percent, warn = 80, bad = 90, otherwise = "") {
  const tone = percent >= bad ? "bad" : percent >= warn ? "warn" : otherwise;
  const bar = h("i");
  bar.style.width = `${Math.max(0, Math.min(100, percent || 0))}%`;
  return h("span", { class: `meter ${tone}`, role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(percent || 0)) }, bar);
}

export const link = (to, ...text) => h("a", { href: `#/${to}` }, text);

/** A time that says itself whole on hover. */
export const when = (time, shown = f.moment(time)) => h("time", { datetime: new Date(f.ms(time) || 0).toISOString(), title: f.full(time) }, shown);

/** Keeps `update` going every so many ms until the view ends. */
export function every(context, ms, update) {
  const timer = setInterval(() => document.hidden || update(), ms);
  context.onEnd(() => clearInterval(timer));
}

export { add };
