// Asks for a sentence. While a sentence is being composed (Chinese, Japanese, …) nothing is sent.

import { make } from "./dom.js";
import { nounOf, t } from "./words.js";

export function askText(layers, send) {
  const box = make("textarea", { id: "sentence", rows: 3, maxlength: 20_000, spellcheck: "false", lang: "" });
  let composing = false;
  const item = () => (box.value.trim() ? { text: box.value } : null);
  box.addEventListener("compositionstart", () => { composing = true; });
  box.addEventListener("compositionend", () => { composing = false; send(item()); });
  box.addEventListener("input", () => { if (!composing) send(item()); });
  return {
    item,
    stop() {},
    view: () => make("div", { class: "ask-text" }, make("label", { for: "sentence" }, t("write", nounOf(layers.noun))), box),
  };
}
