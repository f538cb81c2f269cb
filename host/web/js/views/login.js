// Logging in with a token.

import { post } from "../api.js";
import { h, icon, put } from "../dom.js";

export function login(done, text) {
  const token = h("input", { id: "token", name: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", maxlength: "200" });
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const go = h("button", { class: "primary", type: "submit" }, "Log in");
  const form = h("form", { class: "panel" },
    h("h1", { class: "brand" }, h("img", { src: "/favicon.svg", alt: "" }), "ghostd"),
    text && h("p", { role: "status" }, text),
    h("div", { class: "field" }, h("label", { for: "token" }, "Token"), token),
    fault, go,
    h("p", {}, "Make one with ", h("code", {}, "ghostd token new"), ". On a terminal, ", h("code", {}, "ghostd run"), " prints a link that needs none."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    fault.hidden = true;
    try {
      await post("/session", { token: token.value.trim() }, { quiet: true });
      token.value = "";
      await done();
    } catch (error) {
      fault.hidden = false;
      put(fault, icon("cross"), " ", error.status === 401 || error.status === 403 ? "This token is not good here." : error.message);
      token.select();
    } finally {
      go.disabled = false;
    }
  });
  return h("main", { class: "login", id: "main", tabindex: "-1" }, form);
}
