// The column, its weights, and the votes of one class; the strongest of them as lists.

import { draw } from "./colours.js";
import { all, make, one } from "./dom.js";
import { clearMarks, lightInput, where } from "./input.js";
import { largest, number, percent, region, signed, square, squareField } from "./numbers.js";
import { columnSizes, part, shown } from "./state.js";
import { t } from "./words.js";

const STRONGEST = 10;

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
    draw(one("canvas", box), padded, sizes, largest(found) || 1);
  }
  const bias = layers.dense.bias[chosen], logit = values.logits[chosen];
  one("#sum").textContent = t("sum", signed(logit - bias), signed(bias), number(logit), label, percent(chances[chosen]));
  for (const side of ["supporting", "opposing"]) listVotes(one(`#${side}`), votes[side], most, side === "opposing");
}

// The strongest votes for and against a class; those that Python found know their piece of the input for every head.
function votesOf(label) {
  const given = shown.values.votes && shown.values.votes.find((each) => each.class === label);
  if (given) return given;
  const weights = shown.weights[label];
  if (!weights || !shown.column) return { supporting: [], opposing: [] };
  const every = Array.from(shown.column, (value, entry) => ({ entry, value, weight: weights[entry], product: value * weights[entry] }));
  every.sort((a, b) => b.product - a.product);
  const listed = (votes) => votes.map((vote) => ({ ...vote, ...originOf(vote.entry) }));
  return {
    supporting: listed(every.slice(0, STRONGEST).filter((vote) => vote.product > 0)),
    opposing: listed(every.slice(-STRONGEST).reverse().filter((vote) => vote.product < 0)),
  };
}

// Which cell of the last maps an entry of the column is, or stands for, and which piece of the input it sees.
export function originOf(entry) {
  const about = shown.layers.column, sizes = square(about.sizes), cells = sizes[0] * sizes[1];
  const map = about.flattened ? Math.floor(entry / cells) : about.pooled ? entry : -1;
  const at = about.flattened ? entry % cells : about.pooled && shown.values.peaks ? shown.values.peaks[entry] : -1;
  if (map < 0 || at < 0) return { kernel: map + 1, region: null, where: "" };
  const cell = [Math.floor(at / sizes[1]), at % sizes[1]], seen = region(squareField(about.field[map]), cell);
  return { kernel: map + 1, cell, region: seen, where: where(seen) };
}

function listVotes(list, votes, most, against) {
  list.className = against ? "against" : "";
  list.replaceChildren(...votes.map((vote) => {
    const patch = !vote.region ? null : Array.isArray(vote.region[0]) ? (shown.flat ? [0, 1, ...vote.region[0]] : vote.region.flat()) : vote.region;
    const bar = make("span", { class: "bar", vars: { width: `${(100 * Math.abs(vote.product)) / most}%` } });
    const look = () => { clearMarks(); if (patch) lightInput(patch); };
    return make("li", { tabindex: 0, on: { pointerenter: look, focus: look } },
      !shown.flat && patch && cut(patch),
      make("div", {}, bar, make("span", { class: "number small" }, `${number(vote.value)} × ${number(vote.weight)} = ${signed(vote.product)}`)),
      make("div", { class: "where soft" }, vote.kernel ? t("mapAt", vote.kernel, vote.where) : t("entry", vote.entry)));
  }));
  if (!votes.length) list.append(make("li", { class: "soft" }, t("none")));
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
