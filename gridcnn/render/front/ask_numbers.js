// Asks for the numbers of an array, a series or the row of a table: pasted, or those of an example.

import { make } from "./dom.js";
import { t } from "./words.js";

export function askNumbers(layers, send, say) {
  const { shape, ends, example } = layers.takes, count = shape.reduce((product, size) => product * size, 1);
  const box = make("textarea", { id: "numbers", rows: 6, spellcheck: "false", autocomplete: "off" });
  const found = () => box.value.split(/[\s,;]+/).filter(Boolean);
  const lines = ends ? count / shape[ends.axis] : 1; // that end together
  const fits = (given) => given === count || Boolean(ends && given && given < count && given % (lines * ends.step) === 0);
  function whole(numbers) { // NaN behind the end of a shorter one, as the model reads it
    if (numbers.length === count) return numbers;
    const behind = shape.slice(ends.axis + 1).reduce((product, size) => product * size, 1);
    const longest = shape[ends.axis] * behind, length = (numbers.length / lines) * behind;
    return Array.from({ length: count }, (_, at) => (at % longest < length ? numbers[Math.floor(at / longest) * length + (at % longest)] : NaN));
  }
  function item() {
    const numbers = found().map(Number);
    return fits(numbers.length) && numbers.every(Number.isFinite) ? { numbers: whole(numbers), shape } : null;
  }
  function changed() {
    const given = item(), numbers = found().length;
    send(given);
    if (!given && numbers) say(t("notNumbers", count, found().filter((each) => Number.isFinite(Number(each))).length, Boolean(ends)));
  }
  box.addEventListener("input", changed);
  return {
    item,
    stop() {},
    view: () => make("div", { class: "ask-text" }, make("label", { for: "numbers" }, t("numbers", count, Boolean(ends))), box,
      example && make("div", { class: "tools" }, make("button", { type: "button", on: { click: () => { box.value = example.join(" "); changed(); } } }, t("example")))),
  };
}
