// Fills the sections with the values of an item.

import { colour, draw } from "./colours.js";
import { drawColumn } from "./column.js";
import { all, make, one } from "./dom.js";
import { drawSeries, inputOf, showInput } from "./input.js";
import { largest, number, percent, planes, signed, square, unpack } from "./numbers.js";
import { isGiven, shown } from "./state.js";
import { t } from "./words.js";

const MOST_CLASSES = 10;

export function paintKernels() { // once for each model, and when day becomes night
  all(".group").forEach((section) => {
    const group = shown.groups[section.dataset.group];
    draw(one(".scale canvas", section), Array.from({ length: 101 }, (_, at) => at - 50), [1, 101], 50);
    all(".kernel", section).forEach((box) => drawKernel(box, group.kernels[box.dataset.kernel], group));
  });
}

export function paint() {
  showInput();
  paintAgain();
}
export function paintAgain() { // the input stays: it does not depend on day and night, but for a curve
  all(".series").forEach((canvas) => drawSeries(canvas, inputOf(shown.values).measured));
  all(".group").forEach((section) => {
    const group = shown.groups[section.dataset.group];
    one("[data-scale-low]", section).textContent = number(-group.scale);
    one("[data-scale-high]", section).textContent = number(group.scale);
    all(".map", section).forEach((box) => {
      const stage = group.stages[box.dataset.stage];
      draw(one("canvas", box), stage.maps[box.dataset.kernel], stage.sizes, group.scale, { upwards: shown.upwards });
    });
  });
  drawColumn();
  drawAnswers();
}

function drawKernel(box, kernel, group) {
  const [channels, ...sizes] = kernel.shape, slices = channels ? planes(kernel) : [], first = group.block === 1 && group.number === 1;
  const norms = slices.map((slice, at) => [slice.reduce((sum, weight) => sum + weight * weight, 0), at]);
  const drawn = channels > 3 ? norms.sort((a, b) => b[0] - a[0]).slice(0, 3).map((each) => each[1]) : norms.map((each) => each[1]);
  box.replaceChildren(...drawn.map((at) => {
    const canvas = make("canvas");
    draw(canvas, slices[at], square(sizes), group.strength || 1, { upwards: shown.upwards });
    if (channels > 1) canvas.title = t("weightsFor", group.channels[at], first);
    return canvas;
  }));
}

export function byChance() {
  const { probabilities } = shown.values;
  return Array.from(probabilities, (chance, at) => [chance, at]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
}

function drawAnswers() {
  const { values, layers } = shown, order = byChance();
  one("#softmax").textContent = t(layers.thresholds ? "sigmoid" : "softmax", values.n_windows * values.n_copies > 1, shown.layers.temperature);
  one("#answers").replaceChildren(...order.slice(0, MOST_CLASSES).map(([chance, at], rank) => make("tr", { class: isGiven(at, rank) ? "best" : null },
    make("th", { scope: "row" }, layers.classes[at]),
    make("td", { class: "track" }, make("i", { vars: { width: `${100 * chance}%` } })),
    make("td", { class: "number" }, percent(chance)))));
  one("#more-classes").textContent = order.length > MOST_CLASSES ? t("moreClasses", order.length - MOST_CLASSES) : "";
}

// What an explanation page has beside that: attribution, Grad-CAM, a learned and a random kernel.
export function paintExtras({ attribution, cam, match }) {
  const found = unpack(attribution).values, seen = unpack(cam).values, { height, width, flat, upwards } = shown;
  const words = one("#attribution-words"), strongest = largest(found) || 1;
  if (words) for (const word of all("span", words)) {
    const shade = colour((0.8 * found[word.dataset.at]) / strongest);
    word.style.background = `rgb(${shade.map(Math.round).join(" ")})`;
    word.style.color = readableOn(shade);
    word.title = signed(found[word.dataset.at]);
  }
  if (one("#attribution")) draw(one("#attribution"), found, [height, width], strongest, { veil: !flat, upwards });
  if (one("#cam")) draw(one("#cam"), seen, [height, width], largest(seen) || 1, { veil: true, upwards });
  if (match) for (const name of match.random ? ["learned", "random"] : ["learned"]) {
    const map = unpack(match[name]).values;
    draw(one(`#${name}`), map, square(match.sizes), Math.max(match.best, match.best_by_chance), { upwards }); // one scale for both
    one(`#${name}-range`).textContent = `${number(Math.min(...map))} ${t("to")} ${number(Math.max(...map))}`;
  }
}
export const readableOn = (shade) => (shade[0] * 0.3 + shade[1] * 0.59 + shade[2] * 0.11 > 140 ? "#14181c" : "#ffffff");
