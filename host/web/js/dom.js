// Making elements. Whatever comes from the server becomes a text node or an attribute, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element) element.value = value;
    else if (name === "checked") element.checked = value === true;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** Adds children: nodes as they are, anything else as text; nothing for null, undefined, false. */
export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** An HTML element. */
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** An SVG element. */
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Puts these children in the place of those that are there. */
export function put(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

/** A picture of the sprite, for the eye only. */
export function icon(name) {
  const use = s("use", { href: `/icons.svg#${name}` });
  return s("svg", { class: "icon", "aria-hidden": "true", focusable: "false", viewBox: "0 0 16 16" }, use);
}

/** Calls `update` at most once a frame. */
export function onceAFrame(update) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      update();
    });
  };
}

/** Calls `what` when nobody has asked for it for a while. */
export function calmly(what, ms = 250) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => what(...given), ms);
  };
}

/** Says something to a screen reader. */
export function announce(text) {
  const place = document.getElementById("announcer");
  if (place) place.textContent = text;
}
