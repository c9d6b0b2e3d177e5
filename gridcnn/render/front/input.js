// The item as the network sees it: words, a curve, or a picture, with a player and marks on its axes for a sound.

import { gridPicture } from "./colours.js";
import { all, make, one } from "./dom.js";
import { number } from "./numbers.js";
import { shown } from "./state.js";
import { nounOf, t } from "./words.js";

const UPRIGHT = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]/u; // such letters stand, one below the other

// What to show if the provider does not say: the words of the axis, or the grid.
export function inputOf(values) {
  const { layers, grid, flat, width, height, axes } = shown;
  if (values.input) return values.input;
  const words = axes.at(-1).words;
  if (words.length) {
    const length = words.findLastIndex((word) => word) + 1, unknown = new Set(values.unknown ? values.unknown.words : []);
    return { kind: "words", words: words.slice(0, length).map((word) => [word, !unknown.has(word)]) };
  }
  if (flat || !grid) return { kind: "curve", measured: layers.n_channels };
  return { kind: "picture", picture: gridPicture(grid, [height, width], { upwards: layers.upwards, tinted: layers.upwards }) };
}

export function showInput() {
  const input = inputOf(shown.values);
  document.body.classList.toggle("playable", Boolean(input.sound));
  one("#input").replaceChildren(view(input, true));
  if (input.kind === "words") one("#input").removeAttribute("tabindex");
  else Object.entries({ tabindex: 0, role: "application", "aria-label": t("cellsOf", nounOf(shown.layers.noun)) }).forEach(([name, value]) => one("#input").setAttribute(name, value));
  for (const place of all(".seen, [data-input]")) place.replaceChildren(view(input));
  const player = one("#sound"), row = one(".strip-words");
  player.hidden = !input.sound;
  if (input.sound && player.getAttribute("src") !== input.sound) { player.src = input.sound; player.dataset.step = input.step; }
  if (!row) return;
  row.hidden = input.kind !== "words";
  const cells = shown.groups[0].stages[0].sizes[1], single = shown.layers.unit === "character";
  const narrow = single && !row.hidden && !input.words.some(([word]) => UPRIGHT.test(word)); // what must be read needs room
  all(".strips").forEach((each) => each.style.setProperty("--cell", row.hidden ? "2px" : narrow ? "9.5px" : "13px"));
  if (!row.hidden) row.replaceChildren(...Array.from({ length: cells }, (_, at) => make("span", { class: at < input.words.length && (single || UPRIGHT.test(input.words[at][0])) ? "word upright" : "word", data: { at } }, at < input.words.length ? input.words[at][0] : "·")));
}

function view(input, axes = false) {
  if (input.kind === "words") {
    const words = input.words.flatMap(([word, known], at) => [make("span", { class: known ? "word" : "word unknown", data: { at } }, word), " "]);
    return make("div", { class: "input words", lang: "" }, words.length ? words : make("em", {}, t("noWords")));
  }
  if (input.kind === "curve") {
    const canvas = make("canvas", { class: "series", role: "img", "aria-label": t("series") });
    drawSeries(canvas, input.measured);
    return make("div", { class: "input curve" }, canvas, make("i", { class: "mark" }));
  }
  const marked = axes && input.hertz, alt = input.sound ? t("spectrogram") : nounOf(shown.layers.noun);
  return make("div", { class: marked ? "input pixels axes" : "input pixels", vars: { "--ratio": `${shown.width} / ${shown.height}` } },
    make("div", { class: "frame" }, make("img", { src: input.picture, alt }), make("i", { class: "mark" }), input.sound && make("i", { class: "cursor" })),
    marked && input.hertz.map(([text, at]) => make("span", { class: "tick left", vars: { top: `${100 * at}%` } }, text)),
    marked && input.times.map(([text, at]) => make("span", { class: "tick under", vars: { left: `${100 * at}%` } }, text)));
}

export function drawSeries(canvas, measured) {
  const { grid, width } = shown, pen = canvas.getContext("2d"), styles = getComputedStyle(document.body);
  canvas.width = 1200; canvas.height = 240;
  if (!grid) return;
  const low = Math.min(...grid.map((row) => Math.min(...row))), high = Math.max(...grid.map((row) => Math.max(...row)));
  grid.forEach((row, at) => { // the channels after the measured ones are the same ones by their own scale
    if (at % measured >= 8) return;
    pen.strokeStyle = styles.getPropertyValue((at % measured) % 2 ? "--two" : "--one"); pen.lineWidth = 2.5;
    pen.setLineDash(at < measured ? [] : [4, 8]); pen.beginPath();
    row.forEach((value, x) => pen.lineTo(((x + 0.5) / width) * 1200, 230 - (220 * (value - low)) / (high - low || 1)));
    pen.stroke();
  });
}

// ---- sound: a cursor runs over the spectrogram; frame i is centred on i × step ------------------------------------

export function followSound() {
  const player = one("#sound");
  const follow = () => {
    const at = Math.min((player.currentTime / player.dataset.step + 0.5) / shown.width, 1);
    all(".cursor").forEach((each) => { each.style.display = "block"; each.style.left = `${100 * at}%`; });
    if (!player.paused) requestAnimationFrame(follow);
  };
  player.addEventListener("play", follow); player.addEventListener("seeked", follow);
}

// ---- marks on it -------------------------------------------------------------------------------------------------

export function clearMarks() {
  all(".mark, .spot").forEach((each) => { each.style.display = "none"; });
  all(".lit").forEach((each) => each.classList.remove("lit"));
}
export function place(element, [top, bottom, left, right], [rows, columns]) {
  [top, bottom, left, right] = [Math.max(top, 0), Math.min(bottom, rows), Math.max(left, 0), Math.min(right, columns)];
  if (shown.upwards && rows > 1) [top, bottom] = [rows - bottom, rows - top];
  Object.assign(element.style, { display: "block", top: `${(100 * top) / rows}%`, height: `${(100 * (bottom - top)) / rows}%`,
    left: `${(100 * left) / columns}%`, width: `${(100 * (right - left)) / columns}%` });
}
export function lightInput(patch) {
  all(".input .mark").forEach((each) => place(each, patch, [shown.height, shown.width]));
  all(".word").forEach((each) => each.classList.toggle("lit", each.dataset.at >= patch[2] && each.dataset.at < patch[3]));
}
export function where(patch) { // a patch of the input in words: Hz, seconds, pixels, words
  const spans = shown.flat ? [[patch[2], patch[3]]] : [[patch[0], patch[1]], [patch[2], patch[3]]];
  return spans.map(([start, stop], at) => {
    const axis = shown.axes[at], from = Math.max(start, 0), to = Math.min(stop, axis.low.length);
    if (to <= from) return t("outside");
    if (axis.words.length) return `“${axis.words.slice(from, to).map((word) => word || "·").join(" ")}”`;
    if (axis.unit === "Hz") return `${Math.round(axis.low[from])}–${Math.round(axis.high[to - 1])} Hz`;
    if (axis.unit === "s") return `${axis.low[from].toFixed(2)}–${axis.high[to - 1].toFixed(2)} s`;
    return `${t("axis")[axis.name] || axis.name} ${from}–${to - 1}`;
  }).join(t("comma"));
}
export function inputNumbers(y, x) { // the channels of one cell of the input, named
  const { grid, layers, width } = shown, coloured = grid.length === 3 && layers.channel === "colour";
  return grid.slice(0, 12).map((plane, at) => [coloured ? t("colours")[at] : grid.length > 1 ? t("channelAt", at + 1) : t("level"), plane[y * width + x]]);
}
export const cellText = (y, x, value) => `${t("input")} ${where([y, y + 1, x, x + 1])}${t("colon")}${number(value)}`;
