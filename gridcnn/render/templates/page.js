"use strict";
// Draws the recorded numbers and writes out the sum behind a cell. Text from the user only ever becomes textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const flat = data.sizes.length === 1;
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// ---- numbers: one-dimensional maps are maps of one row --------------------------------------------------------

function unpack(packed) {
  if (!packed) return null;
  const bytes = Uint8Array.from(atob(packed.numbers), (letter) => letter.charCodeAt(0));
  return { shape: packed.shape, values: new Float32Array(bytes.buffer) };
}
const square = (sizes) => (sizes.length === 1 ? [1, sizes[0]] : sizes);
const squareField = (field) => (field[0].length === 1 ? [[0, field[0][0]], [1, field[1][0]], [1, field[2][0]]] : field);
const planes = ({ shape, values }) => {
  const cells = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, at) => values.subarray(at * cells, (at + 1) * cells));
};
const largest = (values) => { let most = 0; for (const each of values) most = Math.max(most, Math.abs(each)); return most; };
const number = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(Math.abs(value) < 100 ? 3 : 1);
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
const percent = (share) =>  // what is not all is not rounded up to all
  (share >= 0.9995 && share < 1 ? `${(100 * Math.min(share, 0.9999)).toFixed(2)} %` : `${(100 * share).toFixed(1)} %`);

const [height, width] = square(data.sizes);
const grid = data.grid && planes(unpack(data.grid));
for (const group of data.groups) {
  group.kernels = group.kernels.map(unpack);
  group.below = group.below.map(squareField);
  group.stages.forEach((stage, at) => {
    stage.sizes = square(stage.sizes);
    stage.field = stage.field.map(squareField);
    if (stage.below) stage.below = stage.below.map(squareField);
    const before = at && group.stages[at - 1].maps;
    stage.maps = stage.values ? planes(unpack(stage.values)) : before.map((map) => map.map((value) => Math.max(0, value)));
  });
  group.scale = Math.max(...group.stages.flatMap((stage) => stage.maps.map(largest))) || 1;
}
const source = (g) => {
  const group = data.groups[g];
  if (!group.below_drawn) return null;
  if (group.block === 1 && group.number === 1) return { maps: grid, sizes: [height, width], input: true };
  const last = data.groups[g - 1].stages.at(-1);
  return { maps: last.maps, sizes: last.sizes, stage: data.groups[g - 1].stages.length - 1 };
};
function region(field, [y, x]) {
  const [offset, size, stride] = field;
  const top = offset[0] + y * stride[0], left = offset[1] + x * stride[1];
  return [top, top + size[0], left, left + size[1]];
}

// ---- colours: diverging, centred on zero, safe for the colour-blind -------------------------------------------

const RAMPS = {
  light: { zero: [247, 247, 247], cold: [[146, 197, 222], [33, 102, 172], [5, 48, 97]], warm: [[253, 184, 99], [224, 110, 20], [127, 49, 8]] },
  dark: { zero: [30, 36, 42], cold: [[33, 92, 152], [104, 174, 226], [214, 234, 248]], warm: [[150, 74, 12], [246, 152, 72], [254, 228, 196]] },
};
const darkness = matchMedia("(prefers-color-scheme: dark)");
function colour(level) {
  const ramp = RAMPS[darkness.matches ? "dark" : "light"];
  const stops = [ramp.zero, ...(level < 0 ? ramp.cold : ramp.warm)];
  const at = Math.min(Math.abs(level), 1) * 3, below = Math.min(Math.floor(at), 2), part = at - below;
  return stops[below].map((value, channel) => value + part * (stops[below + 1][channel] - value));
}
function draw(canvas, values, [rows, columns], scale, veil = false) {
  canvas.width = columns; canvas.height = rows;
  const pen = canvas.getContext("2d"), picture = pen.createImageData(columns, rows);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const level = values[y * columns + x] / scale;
    const at = 4 * ((data.upwards && rows > 1 ? rows - 1 - y : y) * columns + x);
    const [red, green, blue] = veil ? colour(level < 0 ? -0.72 : 0.72) : colour(level);
    picture.data[at] = red; picture.data[at + 1] = green; picture.data[at + 2] = blue;
    picture.data[at + 3] = veil ? 255 * Math.min(1, Math.abs(level) ** 0.8) : 255;
  }
  pen.putImageData(picture, 0, 0);
}

function drawKernel(box, kernel, group) {
  const [channels, ...sizes] = kernel.shape, slices = channels ? planes(kernel) : [];
  const norms = slices.map((slice, at) => [slice.reduce((sum, weight) => sum + weight * weight, 0), at]);
  const shown = channels > 3 ? norms.sort((a, b) => b[0] - a[0]).slice(0, 3).map((each) => each[1]) : norms.map((each) => each[1]);
  box.replaceChildren(...shown.map((at) => {
    const canvas = document.createElement("canvas");
    draw(canvas, slices[at], square(sizes), group.strength || 1);
    if (channels > 1) canvas.title = `its weights for ${group.block === 1 && group.number === 1 ? "channel" : "map"} ${group.channels[at]}`;
    return canvas;
  }));
}

function drawSeries(canvas) {
  const pen = canvas.getContext("2d"), styles = getComputedStyle(document.body);
  canvas.width = 1200; canvas.height = 240;
  const low = Math.min(...grid.map((row) => Math.min(...row))), high = Math.max(...grid.map((row) => Math.max(...row)));
  const measured = Number(canvas.dataset.measured); // the channels after these are the same ones by their own scale
  grid.forEach((row, at) => {
    if (at % measured >= 8) return;
    pen.strokeStyle = styles.getPropertyValue((at % measured) % 2 ? "--two" : "--one"); pen.lineWidth = 2.5;
    pen.setLineDash(at < measured ? [] : [4, 8]); pen.beginPath();
    row.forEach((value, x) => pen.lineTo(((x + 0.5) / width) * 1200, 230 - (220 * (value - low)) / (high - low || 1)));
    pen.stroke();
  });
}

let chosen = 0; // which class's votes are shown
const column = data.column && unpack(data.column.values).values;
for (const vote of data.votes) vote.weights = vote.weights && unpack(vote.weights).values;
function part(name) {
  const weights = data.votes[chosen].weights;
  return { column, weights, votes: column.map((value, at) => value * weights[at]) }[name];
}
function columnSizes() {
  return [Math.ceil(column.length / data.column.in_a_row), data.column.in_a_row];
}

function drawColumn() {
  const vote = data.votes[chosen];
  all("[data-label-name]").forEach((each) => { each.textContent = vote.label; });
  all(".choice button").forEach((each, at) => each.setAttribute("aria-pressed", String(at === chosen)));
  if (column) for (const box of all("[data-part]")) {
    const sizes = columnSizes(), values = part(box.dataset.part), padded = new Float32Array(sizes[0] * sizes[1]);
    padded.set(values);
    box.style.setProperty("--ratio", `${sizes[1]} / ${sizes[0]}`);
    draw(one("canvas", box), padded, sizes, largest(values) || 1);
  }
  one("#sum").textContent = `All votes ${signed(vote.logit - vote.bias)}, bias ${signed(vote.bias)}: ${number(vote.logit)} for “${vote.label}”, a probability of ${percent(vote.probability)}.`;
  for (const side of ["supporting", "opposing"]) listVotes(one(`#${side}`), vote[side], side === "opposing");
}

function listVotes(list, votes, against) {
  list.className = against ? "against" : "";
  const most = Math.max(...data.votes[chosen].supporting.concat(data.votes[chosen].opposing).map((vote) => Math.abs(vote.product)), 1e-12);
  list.replaceChildren(...votes.map((vote) => {
    const row = make("li", ""), bar = make("span", "", "bar");
    const [top, bottom, left, right] = flat ? [0, 1, ...vote.region[0]] : vote.region.flat();
    bar.style.width = `${(100 * Math.abs(vote.product)) / most}%`;
    if (!flat) row.append(cut([top, bottom, left, right]));
    const words = make("div", ""); words.append(bar, make("span", `${number(vote.value)} × ${number(vote.weight)} = ${signed(vote.product)}`, "number small"));
    row.append(words, make("div", `map ${vote.kernel}: ${vote.where}`, "where soft"));
    row.tabIndex = 0;
    const look = () => { clearMarks(); lightInput([top, bottom, left, right]); };
    row.addEventListener("pointerenter", look); row.addEventListener("focus", look);
    return row;
  }));
  if (!votes.length) list.append(make("li", "none", "soft"));
}

function cut([top, bottom, left, right]) {
  const canvas = document.createElement("canvas"), picture = one("#input img");
  canvas.className = "cut"; canvas.width = right - left; canvas.height = bottom - top;
  const paint = () => {
    const grown = picture.naturalWidth / width, up = data.upwards ? height - bottom : top;
    canvas.getContext("2d").drawImage(picture, left * grown, up * grown, (right - left) * grown, (bottom - top) * grown, 0, 0, right - left, bottom - top);
  };
  if (picture.complete && picture.naturalWidth) paint(); else picture.addEventListener("load", paint);
  return canvas;
}

function drawAll() {
  all(".series").forEach(drawSeries);
  all(".group").forEach((section) => {
    const group = data.groups[section.dataset.group], scale = one(".scale canvas", section);
    draw(scale, Array.from({ length: 101 }, (_, at) => at - 50), [1, 101], 50);
    one("[data-scale-low]", section).textContent = number(-group.scale);
    one("[data-scale-high]", section).textContent = number(group.scale);
    all(".kernel", section).forEach((box) => drawKernel(box, group.kernels[box.dataset.kernel], group));
    all(".map", section).forEach((box) => {
      const stage = group.stages[box.dataset.stage];
      draw(one("canvas", box), stage.maps[box.dataset.kernel], stage.sizes, group.scale);
    });
  });
  drawColumn();
  const attribution = unpack(data.attribution).values, cam = unpack(data.cam).values;
  const words = one("#attribution-words"), strongest = largest(attribution) || 1;
  if (words) for (const word of all("span", words)) {
    const level = attribution[word.dataset.at] / strongest, shade = colour(0.8 * level);
    word.style.background = `rgb(${shade.map(Math.round).join(" ")})`;
    word.style.color = shade[0] * 0.3 + shade[1] * 0.59 + shade[2] * 0.11 > 140 ? "#14181c" : "#ffffff";
    word.title = signed(attribution[word.dataset.at]);
  }
  if (one("#attribution")) draw(one("#attribution"), attribution, [height, width], strongest, !flat);
  if (one("#cam")) draw(one("#cam"), cam, [height, width], largest(cam) || 1, true);
  if (data.match) for (const name of ["learned", "random"]) {
    const match = unpack(data.match[name]).values;
    draw(one(`#${name}`), match, square(data.match.sizes), Math.max(data.match.best, data.match.best_by_chance)); // one scale for both
    one(`#${name}-range`).textContent = `${number(Math.min(...match))} to ${number(Math.max(...match))}`;
  }
}

// ---- pointing at a cell ---------------------------------------------------------------------------------------

function make(tag, text, name = "") {
  const element = document.createElement(tag);
  element.textContent = text; if (name) element.className = name;
  return element;
}
function clearMarks() {
  all(".mark, .spot").forEach((each) => { each.style.display = "none"; });
  all(".lit").forEach((each) => each.classList.remove("lit"));
}
function place(element, [top, bottom, left, right], [rows, columns]) {
  [top, bottom, left, right] = [Math.max(top, 0), Math.min(bottom, rows), Math.max(left, 0), Math.min(right, columns)];
  if (data.upwards && rows > 1) [top, bottom] = [rows - bottom, rows - top];
  Object.assign(element.style, { display: "block", top: `${(100 * top) / rows}%`, height: `${(100 * (bottom - top)) / rows}%`,
    left: `${(100 * left) / columns}%`, width: `${(100 * (right - left)) / columns}%` });
}
function lightInput(patch) {
  all(".input .mark").forEach((each) => place(each, patch, [height, width]));
  all(".word").forEach((each) => each.classList.toggle("lit", each.dataset.at >= patch[2] && each.dataset.at < patch[3]));
}
function where(patch) {
  const spans = flat ? [[patch[2], patch[3]]] : [[patch[0], patch[1]], [patch[2], patch[3]]];
  return spans.map(([start, stop], at) => {
    const axis = data.axes[at], from = Math.max(start, 0), to = Math.min(stop, axis.low.length);
    if (to <= from) return "outside";
    if (axis.words.length) return `“${axis.words.slice(from, to).map((word) => word || "·").join(" ")}”`;
    if (axis.unit === "Hz") return `${Math.round(axis.low[from])}–${Math.round(axis.high[to - 1])} Hz`;
    if (axis.unit === "s") return `${axis.low[from].toFixed(2)}–${axis.high[to - 1].toFixed(2)} s`;
    return `${axis.name} ${from}–${to - 1}`;
  }).join(", ");
}

function table(caption, rows, scale) {
  const element = make("table", "", "numbers"); element.append(make("caption", caption));
  for (const row of rows) {
    const line = element.insertRow();
    for (const value of row) {
      const cell = line.insertCell();
      cell.textContent = value === null ? "·" : (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);
      if (value === null) { cell.className = "outside"; continue; }
      const shade = colour((0.75 * value) / scale);
      cell.style.background = `rgb(${shade.map(Math.round).join(" ")})`;
      cell.style.color = shade[0] * 0.3 + shade[1] * 0.59 + shade[2] * 0.11 > 140 ? "#14181c" : "#ffffff";
      cell.title = String(value);
    }
  }
  return element;
}
function ledger(rows) {
  const element = make("table", "", "ledger");
  for (const [label, value, total] of rows) {
    const line = element.insertRow(); if (total) line.className = "total";
    line.insertCell().textContent = label;
    const cell = line.insertCell(); cell.className = "number"; cell.textContent = typeof value === "string" ? value : number(value);
    if (typeof value === "number") cell.title = String(value);
  }
  return element;
}

// The products of one kernel with one patch, for each map that it reads.
function products(g, k, [y, x]) {
  const group = data.groups[g], below = source(g), kernel = group.kernels[k];
  if (!below || !kernel.shape[0]) return [];
  const [rows, columns] = square(kernel.shape.slice(1)), [offset, size, stride] = group.below[k];
  const gap = [rows > 1 ? (size[0] - 1) / (rows - 1) : 1, columns > 1 ? (size[1] - 1) / (columns - 1) : 1];
  return planes(kernel).map((weights, channel) => {
    const patch = [], kernelRows = [], product = []; let sum = 0;
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
  const group = data.groups[g], first = group.block === 1 && group.number === 1, rows = [];
  const what = first && group.n_channels <= 3 ? "channel" : first ? "number" : "map";
  const scale = stage.scale ? stage.scale[k] : 1, shift = stage.shift ? stage.shift[k] : 0, raw = scale ? (value - shift) / scale : 0;
  const each = products(g, k, cell), known = each.reduce((sum, one) => sum + one.sum, 0);
  const [top, , left] = region(group.below[k], cell);
  if (data.axes[0].words.length && first && each.length) {
    each[0].product[0].forEach((_, at) => {
      const word = data.axes[0].words[left + at];
      rows.push([word ? `“${word}”` : "· (padding)", each.reduce((sum, one) => sum + one.product[0][at], 0)]);
    });
    parts.push(make("p", `Each word's ${group.n_channels} numbers × the kernel's, added up:`, "soft"));
  } else if (each.length) {
    each.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
    const best = each[0], line = make("div", "", "sums-row");
    if (best.kernel.length <= 5 && best.kernel[0].length <= 7) {
      const strongest = largest(best.patch.flat().map((one) => one || 0)) || 1, heaviest = largest(best.kernel.flat()) || 1;
      line.append(table(`patch${each.length > 1 ? ` of ${what} ${best.map}` : ""}`, best.patch, strongest), make("span", "×"), table("kernel", best.kernel, heaviest),
        make("span", "="), table(`sums to ${number(best.sum)}`, best.product, largest(best.product.flat()) || 1));
      parts.push(line);
    }
    const shown = each.slice(0, each.length > 6 ? 5 : 6);
    for (const one of shown) rows.push([`${what} ${one.map}: patch × kernel`, one.sum]);
    if (each.length > shown.length) rows.push([`${each.length - shown.length} more ${what}s that are drawn`, each.slice(shown.length).reduce((sum, one) => sum + one.sum, 0)]);
  }
  const missing = group.n_channels - each.length;
  if (missing > 0 && scale) rows.push([`${missing} ${what}s that are not drawn`, raw - group.bias[k] - known]);
  if (group.bias[k] || !stage.scale) rows.push(["bias", group.bias[k]]);
  if (stage.scale) {
    const total = missing > 0 ? raw : known + group.bias[k];
    rows.push(["sum", total, true], ["× scale of the normalisation", `× ${number(scale)}`], ["+ its shift", shift]);
  }
  rows.push(["match", value, true]);
  parts.push(ledger(rows));
  return region(group.below[k], cell);
}

let current = null;
function select(box, y, x) {
  const section = box.closest(".group");
  clearMarks();
  if (box.id === "input") return selectInput(y, x);
  if (!section) return selectEntry(box, y, x);
  const g = Number(section.dataset.group), s = Number(box.dataset.stage), k = Number(box.dataset.kernel);
  const group = data.groups[g], stage = group.stages[s], [, columns] = stage.sizes;
  const value = stage.maps[k][y * columns + x], before = s && group.stages[s - 1], parts = [];
  place(one(".spot", box), [y, y + 1, x, x + 1], stage.sizes);
  const field = region(stage.field[k], [y, x]);
  parts.push(make("h3", `Kernel ${group.maps[k]}, ${stage.title}`));
  parts.push(make("p", `block ${group.block}, convolution ${group.number}; ${flat ? `cell ${x}` : `row ${y}, column ${x}`}. It sees ${where(field)}.`, "soft small"));
  const beneath = before && one(`.map[data-stage="${s - 1}"][data-kernel="${k}"] .mark`, section);
  if (stage.kind === "convolution" || (stage.kind === "norm" && stage.convolves)) {
    const patch = explainMatch(g, k, [y, x], stage, value, parts), below = source(g);
    if (below && !below.input) all(`.group[data-group="${g - 1}"] .map[data-stage="${below.stage}"] .mark`).forEach((each) => place(each, patch, below.sizes));
  } else if (stage.kind === "relu") {
    const was = before.maps[k][y * columns + x];
    place(beneath, [y, y + 1, x, x + 1], before.sizes);
    parts.push(ledger([["before", was], [was > 0 ? "above zero: it stays" : "not above zero: it becomes 0", value, true]]));
  } else if (stage.kind === "pool") {
    const patch = region(stage.below[k], [y, x]), rows = [];
    place(beneath, patch, before.sizes);
    for (let up = Math.max(patch[0], 0); up < Math.min(patch[1], before.sizes[0]); up++) {
      rows.push([]);
      for (let across = Math.max(patch[2], 0); across < Math.min(patch[3], before.sizes[1]); across++) rows.at(-1).push(before.maps[k][up * before.sizes[1] + across]);
    }
    parts.push(table("the window", rows, group.scale), ledger([[stage.average ? "their mean" : `the largest of ${rows.flat().length}`, value, true]]));
  } else {
    const was = before && before.maps[k][y * columns + x];
    if (before && before.sizes.join() === stage.sizes.join()) place(beneath, [y, y + 1, x, x + 1], before.sizes);
    parts.push(ledger([...(before ? [["before", was]] : []), ...(stage.scale ? [["× scale", `× ${number(stage.scale[k])}`], ["+ shift", stage.shift[k]]] : []), [stage.title, value, true]]));
  }
  lightInput(field);
  finish(box, y, x, value, parts, `kernel ${group.maps[k]} ${stage.title}, ${flat ? `cell ${x}` : `row ${y}, column ${x}`}: ${number(value)}`);
}
function selectEntry(box, y, x) {
  const sizes = columnSizes(), entry = y * sizes[1] + x, vote = data.votes[chosen], about = data.column;
  if (entry >= column.length) return;
  all("[data-part] .spot").forEach((each) => place(each, [y, y + 1, x, x + 1], sizes));
  const cells = about.sizes.reduce((product, size) => product * size, 1), map = Math.floor(entry / cells) + 1;
  const cell = about.sizes.length === 1 ? `cell ${entry % cells}` : `row ${Math.floor((entry % cells) / about.sizes[1])}, column ${entry % about.sizes[1]}`;
  const origin = about.flattened ? `It is map ${map}, ${cell}, of the last block.` : about.pooled ? `It stands for map ${entry + 1} of the last block.` : "It is a neuron of the last dense layer.";
  const value = column[entry], weight = vote.weights[entry];
  if (about.flattened) {
    const last = data.groups.at(-1), stage = last.stages.at(-1), k = last.maps.indexOf(map), place2 = square(about.sizes), at = entry % cells;
    const spot = [Math.floor(at / place2[1]), at % place2[1]];
    lightInput(region(stage.field[Math.max(k, 0)], spot));
    if (k >= 0) place(one(`.group[data-group="${data.groups.length - 1}"] .map[data-stage="${last.stages.length - 1}"][data-kernel="${k}"] .mark`), [spot[0], spot[0] + 1, spot[1], spot[1] + 1], stage.sizes);
  }
  finish(box, y, x, { column: value, weights: weight, votes: value * weight }[box.dataset.part],
    [make("h3", `Entry ${entry} of the column`), make("p", origin, "soft small"),
      ledger([["its value", value], [`× its weight for “${vote.label}”`, `× ${number(weight)}`], ["its vote", value * weight, true]])],
    `entry ${entry}: vote ${number(value * weight)}`);
}
function selectInput(y, x) {
  lightInput([y, y + 1, x, x + 1]);
  if (!grid) return;
  const names = grid.length === 3 && data.channel === "colour" ? ["red", "green", "blue"] : grid.map((_, at) => (grid.length > 1 ? `channel ${at + 1}` : "level"));
  const rows = grid.slice(0, 12).map((plane, at) => [names[at], plane[y * width + x]]);
  finish(one("#input"), y, x, rows[0][1], [make("h3", "The input"), make("p", `${where([y, y + 1, x, x + 1])}; standardised, as the network reads it.`, "soft small"), ledger(rows)], `input ${where([y, y + 1, x, x + 1])}: ${number(rows[0][1])}`);
}
function finish(box, y, x, value, parts, spoken) {
  current = { box, y, x };
  const inspector = one("#inspector");
  inspector.classList.add("open");
  inspector.dataset.value = value; // in full, for those who read along
  one("#sums").replaceChildren(...parts);
  one("#live").textContent = spoken;
}

function sizesOf(box) {
  if (box.id === "input") return [height, width];
  const section = box.closest(".group");
  return section ? data.groups[section.dataset.group].stages[box.dataset.stage].sizes : columnSizes();
}
function pointed(box, event) {
  const frame = box.id === "input" ? one(".frame, .curve", box) : box;
  const bounds = frame.getBoundingClientRect(), [rows, columns] = sizesOf(box);
  const x = Math.floor(((event.clientX - bounds.left) / bounds.width) * columns), down = Math.floor(((event.clientY - bounds.top) / bounds.height) * rows);
  if (x < 0 || x >= columns || down < 0 || down >= rows) return;
  const y = data.upwards && rows > 1 && !box.dataset.part ? rows - 1 - down : down;
  if (!current || current.box !== box || current.y !== y || current.x !== x) select(box, y, x);
}
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
function pressed(box, event) {
  const [rows, columns] = sizesOf(box);
  if (event.key === "PageDown" || event.key === "PageUp") {
    const maps = all(".map[tabindex]", box.closest("section")), next = maps[maps.indexOf(box) + (event.key === "PageDown" ? 1 : -1)];
    event.preventDefault();
    if (next) { box.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  } else if (MOVES[event.key]) {
    event.preventDefault();
    const [down, right] = MOVES[event.key], up = data.upwards && rows > 1 && !box.dataset.part ? -down : down;
    const from = current && current.box === box ? current : { y: 0, x: 0 };
    select(box, Math.min(Math.max(from.y + up, 0), rows - 1), Math.min(Math.max(from.x + right, 0), columns - 1));
  } else if (event.key === "Escape") {
    one("#inspector").classList.remove("open"); clearMarks();
  }
}
function strongestCell(box) {
  const section = box.closest(".group"), [rows, columns] = sizesOf(box);
  const values = box.id === "input" ? grid && grid[0] : section ? data.groups[section.dataset.group].stages[box.dataset.stage].maps[box.dataset.kernel] : part(box.dataset.part);
  if (!values) return [0, 0];
  const at = values.indexOf(values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most)));
  return [Math.min(Math.floor(at / columns), rows - 1), at % columns];
}
for (const box of all(".map[tabindex], #input[tabindex]")) {
  box.addEventListener("pointermove", (event) => pointed(box, event));
  box.addEventListener("pointerdown", (event) => pointed(box, event));
  box.addEventListener("keydown", (event) => pressed(box, event));
  box.addEventListener("focus", () => { if (box.matches(":focus-visible")) select(box, ...strongestCell(box)); });
}
all(".choice button").forEach((button, at) => button.addEventListener("click", () => { chosen = at; drawColumn(); }));
one(".close").addEventListener("click", () => { one("#inspector").classList.remove("open"); clearMarks(); });

// ---- sound: a cursor runs over the spectrogram; frame i is centred on i × step -----------------------------------

const sound = one("#sound");
if (sound) {
  const follow = () => {
    const at = Math.min((sound.currentTime / sound.dataset.step + 0.5) / width, 1);
    all(".cursor").forEach((each) => { each.style.display = "block"; each.style.left = `${100 * at}%`; });
    if (!sound.paused) requestAnimationFrame(follow);
  };
  sound.addEventListener("play", follow); sound.addEventListener("seeked", follow);
}
darkness.addEventListener("change", drawAll);
drawAll();
document.documentElement.dataset.drawn = "yes";
