// Colours: diverging, centred on zero, safe for the colour-blind; and a ramp from dark to light for sounds.

const RAMPS = {
  light: { zero: [247, 247, 247], cold: [[146, 197, 222], [33, 102, 172], [5, 48, 97]], warm: [[253, 184, 99], [224, 110, 20], [127, 49, 8]] },
  dark: { zero: [30, 36, 42], cold: [[33, 92, 152], [104, 174, 226], [214, 234, 248]], warm: [[150, 74, 12], [246, 152, 72], [254, 228, 196]] },
};
const LIGHTER = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
export const darkness = matchMedia("(prefers-color-scheme: dark)");

function between(stops, at) {
  const below = Math.min(Math.floor(at), stops.length - 2), part = at - below;
  return stops[below].map((value, channel) => value + part * (stops[below + 1][channel] - value));
}
export function colour(level) {
  const ramp = RAMPS[darkness.matches ? "dark" : "light"];
  return between([ramp.zero, ...(level < 0 ? ramp.cold : ramp.warm)], Math.min(Math.abs(level), 1) * 3);
}
export function draw(canvas, values, [rows, columns], scale, { veil = false, upwards = false } = {}) {
  if (canvas.width !== columns || canvas.height !== rows) { canvas.width = columns; canvas.height = rows; }
  const pen = canvas.getContext("2d"), picture = pen.createImageData(columns, rows);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const level = values[y * columns + x] / scale;
    const at = 4 * ((upwards && rows > 1 ? rows - 1 - y : y) * columns + x);
    const [red, green, blue] = veil ? colour(level < 0 ? -0.72 : 0.72) : colour(level);
    picture.data[at] = red; picture.data[at + 1] = green; picture.data[at + 2] = blue;
    picture.data[at + 3] = veil ? 255 * Math.min(1, Math.abs(level) ** 0.8) : 255;
  }
  pen.putImageData(picture, 0, 0);
}
// A grid of two axes as a picture: three channels as red, green and blue, one as grey, or on a ramp; a data URL.
export function gridPicture(grid, [rows, columns], { upwards, tinted }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns; canvas.height = rows;
  const pen = canvas.getContext("2d"), picture = pen.createImageData(columns, rows), coloured = grid.length === 3 && !tinted;
  const shown = coloured ? grid : [grid[0].map((_, cell) => grid.reduce((sum, plane) => sum + plane[cell], 0) / grid.length)];
  let low = Infinity, high = -Infinity;
  for (const plane of shown) for (const value of plane) { low = Math.min(low, value); high = Math.max(high, value); }
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const at = 4 * ((upwards ? rows - 1 - y : y) * columns + x), levels = shown.map((plane) => (plane[y * columns + x] - low) / (high - low || 1));
    const shade = tinted ? between(LIGHTER, 8 * levels[0]) : [0, 1, 2].map((channel) => 255 * levels[coloured ? channel : 0]);
    shade.forEach((value, channel) => { picture.data[at + channel] = value; });
    picture.data[at + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
  return canvas.toDataURL();
}
