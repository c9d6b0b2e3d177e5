// A drawing as strokes, and as the pixels that a model is used to: ink and paper, stroke width and margins as in training.

const FINE = 320; // pixels of the longer side that a drawing is rendered with before it is reduced
const COARSE = 12; // cells: pictures of fewer are usually filled to the edge, and drawn with broader strokes

// How drawings for a model look: `paper` is the mean of the training pixels, which are mostly paper.
export function manner({ height, width, channels, paper }) {
  const side = Math.min(height, width), mean = paper ? paper.reduce((sum, each) => sum + each, 0) / paper.length : 255;
  const grown = Math.max(1, Math.round(FINE / Math.max(height, width)));
  return { height, width, channels, grown, dark: mean < 128, stroke: side <= COARSE ? 0.15 : 0.085, margin: side <= COARSE ? 0.02 : 0.15 };
}

// A stroke is { points: [[x, y]], wide, erases }: places and width as shares of the shorter side, from the left top.
export function render(pen, { strokes, picture }, { dark, height, width }, fine, to = (point) => point) {
  const side = Math.min(height, width) * fine, paper = dark ? "#000" : "#fff", ink = dark ? "#fff" : "#000";
  pen.fillStyle = paper;
  pen.fillRect(0, 0, width * fine, height * fine);
  if (picture) { // whole, in its own proportions; a model that is given the picture itself may squeeze or cut it
    const grow = Math.min((width * fine) / picture.width, (height * fine) / picture.height), sizes = [picture.width * grow, picture.height * grow];
    pen.drawImage(picture, (width * fine - sizes[0]) / 2, (height * fine - sizes[1]) / 2, ...sizes);
  }
  pen.lineCap = "round"; pen.lineJoin = "round";
  for (const { points, wide, erases } of strokes) {
    pen.strokeStyle = erases ? paper : ink; pen.lineWidth = wide * side;
    pen.beginPath();
    points.forEach((point, at) => { const [x, y] = to(point); pen[at ? "lineTo" : "moveTo"](x * side, y * side); });
    if (points.length === 1) { const [x, y] = to(points[0]); pen.lineTo(x * side + 0.01, y * side); }
    pen.stroke();
  }
}

// Where a drawing's points go if it is centred and fills the picture but for the margin.
function fitted(strokes, { height, width, margin }) {
  const drawn = strokes.filter((stroke) => !stroke.erases), across = [width, height].map((cells) => cells / Math.min(height, width));
  if (!drawn.length) return (point) => point;
  const wide = Math.max(...drawn.map((stroke) => stroke.wide));
  const ends = [0, 1].map((axis) => {
    const places = drawn.flatMap((stroke) => stroke.points.map((point) => point[axis]));
    return [Math.min(...places), Math.max(...places)];
  });
  const room = across.map((size) => size - 2 * margin - wide); // for the middle of the strokes
  const grow = Math.min(...ends.map(([low, high], axis) => room[axis] / Math.max(high - low, 0.05)), 4);
  return (point) => point.map((place, axis) => across[axis] / 2 + (place - (ends[axis][0] + ends[axis][1]) / 2) * grow);
}

// The item: pixels of the size of the model's grid, each the mean of those that it covers.
export function pixelsOf(drawing, how, fit) {
  const { height, width, channels, grown } = how, canvas = document.createElement("canvas");
  canvas.width = width * grown; canvas.height = height * grown;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  render(pen, drawing, how, grown, fit && !drawing.picture ? fitted(drawing.strokes, how) : undefined);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height), pixels = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const sums = [0, 0, 0];
    for (let down = 0; down < grown; down++) for (let right = 0; right < grown; right++) {
      const at = 4 * ((y * grown + down) * canvas.width + x * grown + right);
      for (let channel = 0; channel < 3; channel++) sums[channel] += data[at + channel];
    }
    const [red, green, blue] = sums.map((sum) => sum / grown ** 2), at = channels * (y * width + x);
    if (channels === 3) { pixels[at] = Math.round(red); pixels[at + 1] = Math.round(green); pixels[at + 2] = Math.round(blue); } else pixels[at] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
  return { pixels, width, height, channels };
}

// The pixels of a picture as it is, for a model of one channel or three.
export function pixelsOfPicture(picture, channels) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width; canvas.height = picture.height;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff"; pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height), cells = canvas.width * canvas.height, pixels = new Uint8Array(cells * channels);
  for (let at = 0; at < cells; at++) {
    if (channels === 3) for (let channel = 0; channel < 3; channel++) pixels[3 * at + channel] = data[4 * at + channel];
    else pixels[at] = (19595 * data[4 * at] + 38470 * data[4 * at + 1] + 7471 * data[4 * at + 2] + 0x8000) >> 16; // as Pillow
  }
  return { pixels, width: canvas.width, height: canvas.height, channels };
}
