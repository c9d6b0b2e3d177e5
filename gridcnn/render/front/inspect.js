// Pointing at a cell, or reaching it with the keys: its patch lights up, and the sum behind it is written out.

import { colour } from "./colours.js";
import { drawColumn, originOf, voteName } from "./column.js";
import { all, make, one } from "./dom.js";
import { cellText, clearMarks, inputNumbers, lightInput, place, where } from "./input.js";
import { largest, number, planes, region, square } from "./numbers.js";
import { readableOn } from "./paint.js";
import { columnSizes, part, shown, source } from "./state.js";
import { t, title } from "./words.js";

function table(caption, rows, scale) {
  return make("table", { class: "numbers" }, make("caption", {}, caption), rows.map((row) => make("tr", {}, row.map((value) => {
    if (value === null) return make("td", { class: "outside" }, "·");
    const shade = colour((0.75 * value) / scale), cell = make("td", { title: value }, (value < 0 ? "−" : "") + Math.abs(value).toFixed(2));
    cell.style.background = `rgb(${shade.map(Math.round).join(" ")})`;
    cell.style.color = readableOn(shade);
    return cell;
  }))));
}
function ledger(rows) {
  return make("table", { class: "ledger" }, rows.map(([label, value, total]) => make("tr", { class: total ? "total" : null },
    make("td", {}, label),
    make("td", { class: "number", title: typeof value === "number" ? value : null }, typeof value === "string" ? value : number(value)))));
}

// The products of one kernel with one patch, for each map that it reads.
function products(g, k, [y, x]) {
  const group = shown.groups[g], below = source(g), kernel = group.kernels[k];
  if (!below || !kernel.shape[0]) return [];
  const [rows, columns] = square(kernel.shape.slice(1)), [offset, size, stride] = group.below[k];
  const gap = [rows > 1 ? (size[0] - 1) / (rows - 1) : 1, columns > 1 ? (size[1] - 1) / (columns - 1) : 1];
  return planes(kernel).map((weights, channel) => {
    const patch = [], kernelRows = [], product = [];
    let sum = 0;
    for (let i = 0; i < rows; i++) {
      patch.push([]); kernelRows.push([]); product.push([]);
      for (let j = 0; j < columns; j++) {
        const up = offset[0] + y * stride[0] + i * gap[0], across = offset[1] + x * stride[1] + j * gap[1];
        const inside = up >= 0 && up < below.sizes[0] && across >= 0 && across < below.sizes[1];
        const value = inside ? below.maps[channel][up * below.sizes[1] + across] : null, weight = weights[i * columns + j];
        patch[i].push(value); kernelRows[i].push(weight); product[i].push((value || 0) * weight); sum += (value || 0) * weight;
      }
    }
    return { map: group.channels[channel], patch, kernel: kernelRows, product, sum };
  });
}

function explainMatch(g, k, cell, stage, value, parts) {
  const group = shown.groups[g], first = group.block === 1 && group.number === 1, rows = [], axis = shown.axes[0];
  const unit = t("units")[first && group.n_channels <= 3 ? "channel" : first ? "number" : "map"];
  const scale = stage.scale ? stage.scale[k] : 1, shift = stage.shift ? stage.shift[k] : 0, raw = scale ? (value - shift) / scale : 0;
  const each = products(g, k, cell), sumOf = (some) => some.reduce((sum, one) => sum + one.sum, 0), known = sumOf(each);
  const [, , left] = region(group.below[k], cell);
  if (axis.words.length && first && each.length) {
    each[0].product[0].forEach((_, at) => {
      const word = axis.words[left + at];
      rows.push([word ? `“${word}”` : t("padding"), each.reduce((sum, one) => sum + one.product[0][at], 0)]);
    });
    parts.push(make("p", { class: "soft" }, t("wordSums", group.n_channels, t("unitNames")[shown.layers.unit || "word"])));
  } else if (each.length) {
    each.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
    const best = each[0];
    if (best.kernel.length <= 5 && best.kernel[0].length <= 7) {
      const strongest = largest(best.patch.flat().map((one) => one || 0)) || 1, heaviest = largest(best.kernel.flat()) || 1;
      parts.push(make("div", { class: "sums-row" },
        table(t("patchOf", each.length > 1 ? unit : "", best.map), best.patch, strongest), make("span", {}, "×"), table(t("kernelTable"), best.kernel, heaviest),
        make("span", {}, "="), table(t("sumsTo", number(best.sum)), best.product, largest(best.product.flat()) || 1)));
    }
    const listed = each.slice(0, each.length > 6 ? 5 : 6);
    for (const one of listed) rows.push([t("patchTimes", unit, one.map), one.sum]);
    if (each.length > listed.length) rows.push([t("moreDrawn", each.length - listed.length, unit), sumOf(each.slice(listed.length))]);
  }
  const missing = group.n_channels - each.length;
  if (missing > 0 && scale) rows.push([t("notDrawn", missing, unit), raw - group.bias[k] - known]);
  if (group.bias[k] || !stage.scale) rows.push([t("bias"), group.bias[k]]);
  if (stage.scale) rows.push([t("total"), missing > 0 ? raw : known + group.bias[k], true], [t("timesScale"), `× ${number(scale)}`], [t("plusShift"), shift]);
  rows.push([t("match"), value, true]);
  parts.push(ledger(rows));
  return region(group.below[k], cell);
}

export function select(box, y, x) {
  if (!shown.values) return;
  const section = box.closest(".group");
  clearMarks();
  if (box.id === "input") { selectInput(y, x); return; }
  if (!section) { selectEntry(box, y, x); return; }
  const g = Number(section.dataset.group), s = Number(box.dataset.stage), k = Number(box.dataset.kernel);
  const group = shown.groups[g], stage = group.stages[s], [, columns] = stage.sizes;
  const value = stage.maps[k][y * columns + x], before = s ? group.stages[s - 1] : null, parts = [];
  place(one(".spot", box), [y, y + 1, x, x + 1], stage.sizes);
  const field = region(stage.field[k], [y, x]);
  parts.push(make("h3", {}, t("kernelStage", group.maps[k], title(stage.title))));
  parts.push(make("p", { class: "soft small" }, t("seesWhat", group, shown.flat, y, x, where(field))));
  const beneath = before && one(`.map[data-stage="${s - 1}"][data-kernel="${k}"] .mark`, section);
  if (stage.kind === "convolution" || (stage.kind === "norm" && stage.convolves)) {
    const patch = explainMatch(g, k, [y, x], stage, value, parts), below = source(g);
    if (below && !below.input) all(`.group[data-group="${g - 1}"] .map[data-stage="${below.stage}"] .mark`).forEach((each) => place(each, patch, below.sizes));
  } else if (stage.kind === "relu") {
    const was = before.maps[k][y * columns + x];
    place(beneath, [y, y + 1, x, x + 1], before.sizes);
    parts.push(ledger([[t("before"), was], [was > 0 ? t("stays") : t("becomes"), value, true]]));
  } else if (stage.kind === "pool") {
    const patch = region(stage.below[k], [y, x]), rows = [];
    place(beneath, patch, before.sizes);
    for (let up = Math.max(patch[0], 0); up < Math.min(patch[1], before.sizes[0]); up++) {
      rows.push([]);
      for (let across = Math.max(patch[2], 0); across < Math.min(patch[3], before.sizes[1]); across++) rows.at(-1).push(before.maps[k][up * before.sizes[1] + across]);
    }
    parts.push(table(t("window"), rows, group.scale), ledger([[stage.average ? t("mean") : t("largestOf", rows.flat().length), value, true]]));
  } else {
    const was = before && before.maps[k][y * columns + x];
    if (before && before.sizes.join() === stage.sizes.join()) place(beneath, [y, y + 1, x, x + 1], before.sizes);
    parts.push(ledger([...(before ? [[t("before"), was]] : []), ...(stage.scale ? [[t("scaleOnly"), `× ${number(stage.scale[k])}`], [t("shiftOnly"), stage.shift[k]]] : []), [title(stage.title), value, true]]));
  }
  lightInput(field);
  finish(box, y, x, value, parts, `${t("kernel", group.maps[k])} ${title(stage.title)}${t("comma")}${t("place", shown.flat, y, x)}${t("colon")}${number(value)}`);
}
function selectEntry(box, y, x) {
  const sizes = columnSizes(), entry = y * sizes[1] + x;
  if (!shown.column || entry >= shown.column.length) return;
  all("[data-part] .spot").forEach((each) => place(each, [y, y + 1, x, x + 1], sizes));
  const origin = originOf(entry), { kernel, cell, region: patch } = origin;
  const value = shown.column[entry], weight = shown.weights[shown.chosen][entry];
  if (patch) lightInput(patch);
  if (cell && shown.groups.length) {
    const last = shown.groups.at(-1), stage = last.stages.at(-1), k = last.maps.indexOf(kernel);
    if (k >= 0) place(one(`.group[data-group="${shown.groups.length - 1}"] .map[data-stage="${last.stages.length - 1}"][data-kernel="${k}"] .mark`), [cell[0], cell[0] + 1, cell[1], cell[1] + 1], stage.sizes);
  }
  finish(box, y, x, { column: value, weights: weight, votes: value * weight }[box.dataset.part],
    [make("h3", {}, t("entry", entry)), make("p", { class: "soft small" }, voteName(origin, entry)),
      ledger([[t("itsValue"), value], [t("itsWeight", shown.layers.classes[shown.chosen]), `× ${number(weight)}`], [t("itsVote"), value * weight, true]])],
    t("spokenEntry", entry, number(value * weight)));
}
function selectInput(y, x) {
  lightInput([y, y + 1, x, x + 1]);
  if (!shown.grid) return;
  const rows = inputNumbers(y, x);
  finish(one("#input"), y, x, rows[0][1], [make("h3", {}, t("theItem", t("input"))), make("p", { class: "soft small" }, t("standardised", where([y, y + 1, x, x + 1]))), ledger(rows)], cellText(y, x, rows[0][1]));
}
function finish(box, y, x, value, parts, spoken) {
  shown.current = { box, y, x };
  const aside = one("#inspector");
  aside.classList.add("open");
  aside.dataset.value = value; // in full, for those who read along
  one("#sums").replaceChildren(...parts);
  one("#live").textContent = spoken;
}
export function selectAgain() { // after new values: the same cell, if it is still there
  const { current } = shown;
  if (current && current.box.isConnected && one("#inspector").classList.contains("open")) select(current.box, current.y, current.x);
}

// ---- the mouse, fingers and keys ----------------------------------------------------------------------------------

function sizesOf(box) {
  if (box.id === "input") return [shown.height, shown.width];
  const section = box.closest(".group");
  return section ? shown.groups[section.dataset.group].stages[box.dataset.stage].sizes : columnSizes();
}
function pointed(box, event) {
  const frame = box.id === "input" ? one(".frame, .curve", box) : box;
  if (!frame) return;
  const bounds = frame.getBoundingClientRect(), [rows, columns] = sizesOf(box), { current } = shown;
  const x = Math.floor(((event.clientX - bounds.left) / bounds.width) * columns), down = Math.floor(((event.clientY - bounds.top) / bounds.height) * rows);
  if (x < 0 || x >= columns || down < 0 || down >= rows) return;
  const y = shown.upwards && rows > 1 && !box.dataset.part ? rows - 1 - down : down;
  if (!current || current.box !== box || current.y !== y || current.x !== x) select(box, y, x);
}
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
function pressed(box, event) {
  const [rows, columns] = sizesOf(box), { current } = shown;
  if (event.key === "PageDown" || event.key === "PageUp") {
    const maps = all(".map[tabindex]", box.closest("section")), next = maps[maps.indexOf(box) + (event.key === "PageDown" ? 1 : -1)];
    event.preventDefault();
    if (next) { box.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  } else if (MOVES[event.key]) {
    event.preventDefault();
    const [down, right] = MOVES[event.key], up = shown.upwards && rows > 1 && !box.dataset.part ? -down : down;
    const from = current && current.box === box ? current : { y: 0, x: 0 };
    select(box, Math.min(Math.max(from.y + up, 0), rows - 1), Math.min(Math.max(from.x + right, 0), columns - 1));
  } else if (event.key === "Escape") closeInspector();
}
function strongestCell(box) {
  const section = box.closest(".group"), [rows, columns] = sizesOf(box);
  const values = box.id === "input" ? shown.grid && shown.grid[0] : section ? shown.groups[section.dataset.group].stages[box.dataset.stage].maps[box.dataset.kernel] : shown.column && part(box.dataset.part);
  if (!values) return [0, 0];
  const at = values.indexOf(values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most)));
  return [Math.min(Math.floor(at / columns), rows - 1), at % columns];
}
export function closeInspector() {
  one("#inspector").classList.remove("open");
  clearMarks();
}
export function listen() { // to the boxes that are on the page now
  for (const box of all(".map[tabindex], #input")) {
    box.addEventListener("pointermove", (event) => shown.values && pointed(box, event));
    box.addEventListener("pointerdown", (event) => shown.values && pointed(box, event));
    box.addEventListener("keydown", (event) => shown.values && pressed(box, event));
    box.addEventListener("focus", () => { if (shown.values && box.matches(":focus-visible")) select(box, ...strongestCell(box)); });
  }
  all("button[data-label]").forEach((button) => button.addEventListener("click", () => choose(Number(button.dataset.label))));
  all("select.choice").forEach((list) => list.addEventListener("change", () => choose(Number(list.value))));
  one(".close").addEventListener("click", closeInspector);
}
function choose(label) {
  Object.assign(shown, { chosen: label, pinned: true });
  if (shown.values) drawColumn();
}
