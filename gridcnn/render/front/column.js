// The column, its weights, and the votes of one class; the strongest of them as lists.

import { draw } from "./colours.js";
import { all, make, one } from "./dom.js";
import { clearMarks, lightInput, where } from "./input.js";
import { largest, number, percent, region, signed, square, squareField } from "./numbers.js";
import { columnSizes, part, shown } from "./state.js";
import { t } from "./words.js";

const STRONGEST = 10, MOST_ADDING = 4, LONGEST_RUN = 5; // of characters, whose evidence is that of the first

export function drawColumn() {
  const { layers, chosen, values, chances } = shown, label = layers.classes[chosen];
  all("[data-label-name]").forEach((each) => { each.textContent = label; });
  all("button[data-label]").forEach((each) => each.setAttribute("aria-pressed", String(Number(each.dataset.label) === chosen)));
  all("select.choice").forEach((each) => { each.value = String(chosen); });
  const votes = votesOf(chosen), most = Math.max(...votes.supporting.concat(votes.opposing).map((vote) => Math.abs(vote.product)), 1e-12);
  if (shown.column) for (const box of all("[data-part]")) {
    const sizes = columnSizes(), padded = new Float32Array(sizes[0] * sizes[1]);
    const found = part(box.dataset.part);
    padded.set(found);
    box.style.setProperty("--ratio", `${sizes[1]} / ${sizes[0]}`);
    const full = scaleOf(found);
    draw(one("canvas", box), padded, sizes, full || 1);
    one("[data-clipped]", box.closest("figure")).textContent = full < largest(found) ? ` ${t("clipped")}` : "";
  }
  const bias = layers.dense.bias[chosen], logit = values.logits[chosen];
  one("#sum").textContent = t("sum", signed(logit - bias), signed(bias), number(logit), label, percent(chances[chosen]));
  for (const side of ["supporting", "opposing"]) listVotes(one(`#${side}`), votes[side], most, side === "opposing", votes.unknown);
}

// What is drawn in full colour: the largest value, unless a few are far larger than all others, which would look blank.
function scaleOf(values) {
  const sizes = Float32Array.from(values, Math.abs).filter((size) => size > 0).sort(), most = sizes.at(-1) || 0;
  const usual = sizes[Math.floor(0.99 * (sizes.length - 1))] || most;
  return most > 4 * usual ? usual : most;
}

// The strongest votes for and against a class; those that Python found know their piece of the input for every head.
function votesOf(label) {
  const given = shown.values.votes && shown.values.votes.find((each) => each.class === label);
  if (given) {
    const known = (votes) => votes.map((vote) => {
      const origin = originOf(vote.entry);
      return origin.kind === "neuron" ? { ...vote, kind: "neuron" } : { ...vote, ...origin };
    });
    return { supporting: known(given.supporting), opposing: known(given.opposing) };
  }
  const weights = shown.weights[label];
  if (!weights || !shown.column) return { supporting: [], opposing: [], unknown: true }; // too many to send
  const every = Array.from(shown.column, (value, entry) => ({ entry, value, weight: weights[entry], product: value * weights[entry] }));
  every.sort((a, b) => b.product - a.product);
  const listed = (votes) => votes.map((vote) => ({ ...vote, ...originOf(vote.entry) }));
  return {
    supporting: listed(every.slice(0, STRONGEST).filter((vote) => vote.product > 0)),
    opposing: listed(every.slice(-STRONGEST).reverse().filter((vote) => vote.product < 0)),
  };
}

// What an entry of the column is: a cell of a map, the largest of its cells or of a part of them, their mean, the share
// that is above 0, or their sum; which piece of the input it sees, if it is one cell; a neuron of a dense layer.
export function originOf(entry) {
  const { maps, summed, parts, sizes } = shown.layers.features, cells = sizes.reduce((product, size) => product * size, 1);
  let at = entry, largest = 0;
  for (const { kind, region: part } of parts) {
    const each = kind === "cells" ? cells : 1;
    if (at < maps * each) {
      const map = Math.floor(at / each), peaks = kind === "largest" && shown.values.peaks;
      return { kind, kernel: map + 1, part, cells, ...placeOf(map, kind === "cells" ? at % each : peaks ? peaks[largest + at] : -1) };
    }
    at -= maps * each;
    if (kind === "largest") largest += maps;
  }
  if (parts.length && at < summed) return { kind: "sum", kernel: maps + at + 1, cells, most: mostOf(at), ...placeOf(0, -1) };
  return { kind: "neuron", kernel: 0, ...placeOf(0, -1) };
}
function placeOf(map, at) { // a cell of the last maps
  if (at < 0) return { cell: null, region: null, where: "" };
  const { sizes, fields } = shown.layers.features, [, columns] = square(sizes), cell = [Math.floor(at / columns), at % columns];
  let after = map;
  const [, field] = fields.find(([count]) => (after -= count) < 0), seen = region(squareField(field), cell);
  return { cell, at, region: seen, where: where(seen) };
}
function mostOf(at) { // the words, or runs of characters, that add most to a sum
  const { sums } = shown, { words } = shown.axes.at(-1);
  if (!sums || !words.length) return [];
  const { unit } = shown.layers, said = (cell) => (unit === "character" ? words.slice(cell, cell + LONGEST_RUN).filter(Boolean).join(" ") : words[cell]);
  const found = Array.from(sums[at], (value, cell) => [words[cell] && said(cell), value]).filter(([word, value]) => word && value > 0);
  return found.sort((a, b) => b[1] - a[1]).slice(0, MOST_ADDING);
}
export function voteName(vote, entry) { // in words
  const { kind, kernel, cell, part, cells, most } = vote, { sizes } = shown.layers.features, flat = sizes.length === 1;
  if (kind === "cells") return t("ofCell", kernel, t("place", flat, ...cell), vote.where);
  if (kind === "largest") return t("ofLargest", kernel, part && t("within", part), vote.where);
  if (kind === "sum") return t("ofSum", kernel, most.map(([word, value]) => `“${word}” ${signed(value)}`).join(t("comma")));
  if (kind === "neuron") return t("ofNeuron", entry, kernel, vote.where);
  return t(kind === "share" ? "ofShare" : "ofMean", kernel, cells);
}

function listVotes(list, votes, most, against, unknown) {
  list.className = against ? "against" : "";
  list.replaceChildren(...votes.map((vote) => {
    const patch = !vote.region ? null : Array.isArray(vote.region[0]) ? (shown.flat ? [0, 1, ...vote.region[0]] : vote.region.flat()) : vote.region;
    const bar = make("span", { class: "bar", vars: { width: `${(100 * Math.abs(vote.product)) / most}%` } });
    const look = () => { clearMarks(); if (patch) lightInput(patch); };
    return make("li", { tabindex: 0, on: { pointerenter: look, focus: look } },
      !shown.flat && patch && cut(patch),
      make("div", {}, bar, make("span", { class: "number small" }, `${number(vote.value)} × ${number(vote.weight)} = ${signed(vote.product)}`)),
      make("div", { class: "where soft" }, voteName(vote, vote.entry)));
  }));
  if (!votes.length) list.append(make("li", { class: "soft" }, t(unknown ? "notSent" : "none")));
}

function cut([top, bottom, left, right]) {
  const { width, height } = shown;
  [top, left, bottom, right] = [Math.max(top, 0), Math.max(left, 0), Math.min(bottom, height), Math.min(right, width)];
  const canvas = make("canvas", { class: "cut", width: right - left, height: bottom - top }), picture = one("#input img");
  if (!picture) return null;
  const paint = () => {
    const grown = picture.naturalWidth / width, up = shown.upwards ? height - bottom : top;
    canvas.getContext("2d").drawImage(picture, left * grown, up * grown, (right - left) * grown, (bottom - top) * grown, 0, 0, right - left, bottom - top);
  };
  if (picture.complete && picture.naturalWidth) paint(); else picture.addEventListener("load", paint);
  return canvas;
}
