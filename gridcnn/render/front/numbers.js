// Numbers: unpacked, laid out as rows and columns, and written as a person would. A sequence is a map of one row.

export function unpack(packed) {
  if (!packed) return null;
  if (packed.values) return packed;
  const bytes = Uint8Array.from(atob(packed.numbers), (letter) => letter.charCodeAt(0));
  return { shape: packed.shape, values: new Float32Array(bytes.buffer) };
}
export const square = (sizes) => (sizes.length === 1 ? [1, sizes[0]] : sizes);
export const squareField = (field) => (field[0].length === 1 ? [[0, field[0][0]], [1, field[1][0]], [1, field[2][0]]] : field);
export function planes({ shape, values }) {
  const cells = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, at) => values.subarray(at * cells, (at + 1) * cells));
}
export function largest(values) {
  let most = 0;
  for (const each of values) most = Math.max(most, Math.abs(each));
  return most;
}
export function softmax(logits) {
  const most = Math.max(...logits), powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, each) => total + each, 0);
  return powers.map((each) => each / sum);
}
export const sigmoid = (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit)));
// The patch under a cell, as [top, bottom, left, right].
export function region([offset, size, stride], [y, x]) {
  const top = offset[0] + y * stride[0], left = offset[1] + x * stride[1];
  return [top, top + size[0], left, left + size[1]];
}
export const number = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(Math.abs(value) < 100 ? 3 : 1);
export const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
export const percent = (share) => { // the rule of display.percentage: what is below 1 is never 100 %, what is above 0 never 0 %
  if (share > 0 && share < 0.0001) return "<0.01 %";
  if (share > 0.9999 && share < 1) return ">99.99 %";
  const fine = (share > 0 && share < 0.0005) || (share >= 0.9995 && share < 1);
  return `${(100 * share).toFixed(fine ? 2 : 1)} %`;
};
