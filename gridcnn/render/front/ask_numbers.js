// Asks for the numbers of an array, a series or the row of a table: pasted, or those of an example.

import { make } from "./dom.js";
import { t } from "./words.js";

export function askNumbers(layers, send, say) {
  const { shape, example } = layers.takes, count = shape.reduce((product, size) => product * size, 1);
  const box = make("textarea", { id: "numbers", rows: 6, spellcheck: "false", autocomplete: "off" });
  const found = () => box.value.split(/[\s,;]+/).filter(Boolean);
  function item() {
    const numbers = found().map(Number);
    return numbers.length === count && numbers.every(Number.isFinite) ? { numbers, shape } : null;
  }
  function changed() {
    const given = item(), numbers = found().length;
    send(given);
    if (!given && numbers) say(t("notNumbers", count, found().filter((each) => Number.isFinite(Number(each))).length));
  }
  box.addEventListener("input", changed);
  return {
    item,
    stop() {},
    view: () => make("div", { class: "ask-text" }, make("label", { for: "numbers" }, t("numbers", count)), box,
      example && make("div", { class: "tools" }, make("button", { type: "button", on: { click: () => { box.value = example.join(" "); changed(); } } }, t("example")))),
  };
}
