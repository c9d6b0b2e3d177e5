// What is shown: the layers of one model, and the values of one item; fields are those of provider.js, unpacked.

import { largest, planes, sigmoid, softmax, square, squareField, unpack } from "./numbers.js";

export const shown = { layers: null, values: null, chosen: 0, current: null };

export function load(layers) {
  const groups = layers.groups.map((group) => ({
    ...group,
    kernels: group.kernels.map(unpack),
    below: group.below.map(squareField),
    stages: group.stages.map((stage) => ({
      ...stage, sizes: square(stage.sizes), field: stage.field.map(squareField), below: stage.below && stage.below.map(squareField), maps: null,
    })),
    scale: 1,
  }));
  const weights = unpack(layers.dense.weights), rows = weights && planes(weights), classes = layers.dense.classes || layers.classes.map((_, at) => at);
  const [height, width] = square(layers.sizes);
  Object.assign(shown, {
    layers, groups, height, width, values: null, grid: null, column: null, current: null, chosen: classes[0] || 0,
    flat: layers.sizes.length === 1, upwards: layers.upwards, axes: layers.axes,
    voted: classes, weights: Object.fromEntries(classes.map((label, at) => [label, rows ? rows[at] : null])),
  });
}

export function fill(values) {
  const grid = unpack(values.grid), column = unpack(values.column);
  shown.values = values;
  shown.grid = grid && planes(grid);
  shown.column = column && column.values;
  shown.sums = values.sums ? planes(unpack(values.sums)) : null;
  shown.axes = values.axes || shown.layers.axes;
  shown.chances = (shown.layers.thresholds ? sigmoid : softmax)(Array.from(values.logits));
  shown.groups.forEach((group, g) => {
    group.stages.forEach((stage, at) => {
      const maps = values.maps[g][at], before = at && group.stages[at - 1].maps;
      stage.maps = maps ? planes(unpack(maps)) : before.map((map) => map.map((value) => Math.max(0, value)));
    });
    group.scale = Math.max(...group.stages.flatMap((stage) => stage.maps.map(largest))) || 1;
  });
}

// The maps that a convolution reads, as far as they are drawn.
export function source(g) {
  const group = shown.groups[g];
  if (!group.below_drawn) return null;
  if (group.block === 1 && group.number === 1) return shown.grid && { maps: shown.grid, sizes: [shown.height, shown.width], input: true };
  const below = shown.groups[g - 1].stages;
  return { maps: below.at(-1).maps, sizes: below.at(-1).sizes, stage: below.length - 1 };
}
export const columnSizes = () => {
  const { entries, in_a_row: wide } = shown.layers.column;
  return [Math.ceil(entries / wide), wide];
};
export function part(name) { // "column", "weights" or "votes" of the chosen class
  const weights = shown.weights[shown.chosen];
  return { column: shown.column, weights, votes: shown.column.map((value, at) => value * weights[at]) }[name];
}
// Whether an answer names a class: the most probable one does, or with several labels each that reaches its threshold.
export function isGiven(at, rank) {
  const { thresholds } = shown.layers;
  return thresholds ? shown.values.probabilities[at] >= thresholds[at] : rank === 0;
}
// Whether the grid is the same everywhere: a blank page, silence.
export function isBlank() {
  return Boolean(shown.grid) && shown.grid.every((plane) => plane.every((value) => Math.abs(value - plane[0]) < 1e-6));
}
