// The answer at the top of the live page, and why there is none.

import { all, make, one } from "./dom.js";
import { percent } from "./numbers.js";
import { byChance } from "./paint.js";
import { isBlank, isGiven, shown } from "./state.js";
import { nounOf, said, t } from "./words.js";

const BARS = 5, WORDS = 12;

// Why there is no answer, or "" if there is one. `item` is null before anything is drawn, said or written.
export function whyNot(item, values) {
  const { noun } = shown.layers;
  if (!item) return t("nothing")[noun] || t("nothingElse");
  const silent = item.waveform && item.waveform.every((value) => Math.abs(value) < 1e-4);
  if (silent) return t("blank").sound;
  if (!values || values.n_windows > 1) return ""; // what follows is known of the shown window only
  const { unknown } = values;
  if (unknown && unknown.count === unknown.total) return t(unknown.characters ? "allUnknownCharacters" : "allUnknown");
  if ((item.pixels || item.waveform || item.file) && isBlank()) return t("blank")[noun] || t("blankElse");
  return "";
}

export function answerView() {
  return make("div", { id: "answer-now", role: "status", "aria-live": "polite", "aria-atomic": "true" });
}

export function showNoAnswer(why, { quiet = false } = {}) {
  one("#answer-now").replaceChildren(make("p", { class: quiet ? "soft none" : "none" }, why));
  all(".depends").forEach((each) => each.classList.add("idle"));
}

export function showAnswer() {
  const { values, layers } = shown, order = byChance(), [[chance, best]] = order;
  const notes = [values.n_windows > 1 && t("windows", values.window, values.n_windows), values.n_copies > 1 && t("copies")].filter(Boolean);
  const labels = layers.classes.filter((_, at) => isGiven(at));
  all(".depends").forEach((each) => each.classList.remove("idle"));
  one("#answer-now").replaceChildren(...[
    layers.thresholds ? make("p", { class: "answer" }, make("b", {}, labels.join(t("comma")) || t("noLabel")))
      : make("p", { class: "answer" }, make("b", {}, best === layers.background ? t("noClass") : layers.classes[best]), " ", percent(chance)),
    make("table", { class: "answers bars", "aria-hidden": "true" }, order.slice(0, BARS).map(([share, at], rank) => make("tr", { class: isGiven(at, rank) ? "best" : null },
      make("th", { scope: "row" }, layers.classes[at]), make("td", { class: "track" }, make("i", { vars: { width: `${100 * share}%` } })), make("td", { class: "number" }, percent(share))))),
    order.length > BARS && make("p", { class: "soft small" }, t("moreClasses", order.length - BARS)),
    ...caution(values),
    ...notes.map((note) => make("p", { class: "soft small" }, note)),
  ].filter(Boolean));
}

function caution({ cautions, unknown, n_windows: windows }) {
  if (!cautions.length && !unknown) return [];
  const more = unknown ? unknown.words.length - WORDS : 0;
  return [make("div", { class: "remark cautions", role: "note" },
    cautions.length > 0 && make("p", {}, make("b", {}, t("lessTrust")), ` ${cautions.map(said).join(t("semicolon"))}`),
    unknown && make("p", {}, `${t("unknown", unknown.count, unknown.total, unknown.characters, windows > 1)} `, unknown.words.slice(0, WORDS).flatMap((word) => [make("q", { lang: "" }, word), " "]), more > 0 ? `+ ${more}` : ""))];
}

export function leftOut({ convolutions, entries }) {
  const parts = [...convolutions.map(([block, at]) => t("convolution", block, at)), ...(entries ? [t("parts").column] : [])];
  return parts.length ? make("p", { class: "remark small" }, t("leftOut", parts.join(t("comma")))) : null;
}
export const itemName = () => nounOf(shown.layers.noun);
