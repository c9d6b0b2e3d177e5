// Where the numbers of a page come from. A provider has three methods, all of which return promises:
//
//   models()                      → [{ name, noun, classes }]           classes: an array of strings
//   layers(name)                  → Layers                              asked for once for each model
//   explain(name, item, {signal}) → Values                              asked for whenever the item changes
//
// and `hasServer`, true if items leave the browser; one may have ready(), a promise that it can explain.
//
// An item is one of
//   { pixels: Uint8Array, width, height, channels }      rows from the top, channels (1: grey, 3: RGB) last
//   { waveform: Float32Array, rate }                     mono, in [-1, 1]; rate in Hz, whatever the model's is
//   { text: string }
//   { numbers: number[], shape: number[] }               of an array, a series, a row: row-major, shape as in takes,
//                                                        NaN behind the end of one that ends before others
// and may have `file` beside them, the Blob that a person chose: a provider that can decode it itself may prefer it.
//
// Arrays of numbers are `{ shape, numbers }` (base64 of little-endian 32-bit floats) or `{ shape, values }` with a
// Float32Array: `unpack` of numbers.js reads both. Kernels, blocks and maps are counted from 1, arrays from 0.
// Fields of view, `below` and `field`, are [offset, size, stride], each with one number for each ordered axis.
//
// Layers (gridcnn.render.live.layers; the same for every item)
//   classes    string[]           in the order of the probabilities
//   background number or null     index of the class that is never given as an answer
//   thresholds number[] or null   the probability from which an item has each label; null if every item has one
//   temperature number            what the weights and biases of the logits are divided by already
//   noun       "picture"          what an item is called;  about: a sentence on how a grid shows one
//   takes      { modality, height, width, channels, paper, rate, samples, shape, ends, example }   what to ask for: modality
//              is "image", "sound", "text", …; paper: mean of each channel (0–255) or null; rate: Hz or null; samples: of
//              a window; shape: of an item of numbers, or null; ends: { axis, step } if one may end before others along
//              an axis, by a multiple of step numbers; example: the numbers of one for a try, up to its end, or null
//   sizes      number[]           of the ordered axes: [length] or [height, width];  n_channels: of the grid
//   channel    "colour"           name of the channel axis;  upwards: whether the first row is drawn at the bottom
//   axes       [{ name, unit, low, high, words }]    one an ordered axis; see Values.axes
//   groups     one for each convolution that is drawn, with the steps after it:
//     n_counting                  kernels whose weights, or those of what reads their maps, are not all 0
//     block, number, n_maps, n_channels, size, kernel_sizes     numbers of the convolution itself
//     maps       number[]         the drawn kernels (at most 12, always the same);  names: string[]
//     channels   number[]         the maps below that are drawn;  below_drawn: whether there are any
//     kernels    packed[]         (channels, …size) each: only the drawn channels;  strength: largest |weight|
//     bias       number[];        below: field[] of each drawn kernel, in cells of the maps that it reads
//     stages     [{ kind, title, step, sizes, field[], below[], average, scale[], shift[], convolves }]
//                kind: "convolution", "norm", "relu", "pool"; a "norm" that convolves is the convolution with its
//                normalisation (the folded convolution); step: its name in a trace, such as "block 1 norm 1"
//   column     { entries, in_a_row } or null if it is too long to draw: the vector that the votes are cast by
//   features   { maps, summed, sizes, parts, fields }   what its entries are, in order: for each of parts, { kind, region },
//              each of so many maps of the last block has one, its "largest" cell, their "mean", or the "share" of them
//              above 0 (region: of which cells, [first, behind the last] an axis; null is all), or all its "cells"; then
//              come the sums of the maps after those. Without parts they are neurons. fields: [[maps, field]] in order
//   dense      { weights: packed (classes, entries) or null, bias: number[] }    of the logits
//   unit       "word", "character" or "": what the symbol in a cell is;  fixed: whether the kernels were not learned
//   bag        { first, last, alone, says } or null     kernels that add up evidence, from 1; alone: if no other counts;
//              says: for each [index of the class, whether it speaks for it]
//   looks_for  { kernel: words }  for kernels of words;  stack: [[title, size]];  remarks: string[]
//
// Values (gridcnn.render.live.maps; of one item)
//   probabilities  number[]       the answer: the mean over windows and flipped copies
//   window, n_windows, n_copies   which window is shown, from 1; how many windows and copies are averaged
//   logits         number[]       of the window as it is shown
//   grid           packed (n_channels, …sizes) or null if it is too large to send
//   maps           packed[][]     for each group, for each stage: (drawn kernels, …stage.sizes); null for a ReLU that is
//                                 not the first stage, which the page computes
//   column         packed (entries) or null
//   peaks          number[] or null     for each entry that is the largest cell of a map, or a part of it: which cell
//   sums           packed (summed, …sizes) or null     the maps of which sums are entries
//   axes           as in Layers, or null for the same; words: the word of each cell ("" for padding)
//   input          null (drawn from the grid), or { kind: "words", words: [[word, known]] }, { kind: "curve", measured },
//                  { kind: "picture", picture: URL, sound: URL, step: seconds, hertz: [[text, share]], times: [[…]] }
//   cautions       string[]       why the answer deserves less trust
//   unknown        { words, count, total } or null     words that the model does not know
//   remarks        string[]
//
// What goes wrong is an Error with a `kind`: "gone" (no server), "token" (401), "busy" (429, 503) or "item" (the item
// cannot be read: the message says why).

const SOON = 30_000; // ms until a server that does not answer counts as gone

function failure(kind, message) {
  return Object.assign(new Error(message), { kind });
}

export function httpProvider(base = "", token = () => "") {
  async function ask(path, options = {}, signal = null) {
    const headers = { ...options.headers }, secret = token(), limit = AbortSignal.timeout(SOON);
    if (secret) headers.Authorization = `Bearer ${secret}`;
    let response, answer;
    try {
      response = await fetch(base + path, { ...options, headers, signal: signal ? AbortSignal.any([signal, limit]) : limit });
      answer = await response.json();
    } catch (error) {
      if (signal && signal.aborted) throw error;
      if (!response || response.ok || response.status >= 500) throw failure("gone", String(error.message || error));
      answer = {};
    }
    if (response.ok) return answer;
    const said = answer.error || answer.detail || response.statusText;
    const message = typeof said === "string" ? said : said.message || JSON.stringify(said);
    throw failure(response.status === 401 ? "token" : response.status === 429 || response.status === 503 ? "busy" : response.status >= 500 ? "gone" : "item", message);
  }
  const at = (name, what) => `/v1/models/${encodeURIComponent(name)}/${what}`;
  return {
    hasServer: true,
    models: async () => { const answer = await ask("/v1/models"); return answer.models || answer; },
    layers: (name) => ask(at(name, "layers")),
    async explain(name, item, { signal = null } = {}) {
      if (item.text !== undefined || item.numbers) {
        const headers = { "Content-Type": "application/json" }, input = item.numbers ? nested(item.numbers, item.shape) : item.text;
        return ask(at(name, "explain"), { method: "POST", headers, body: JSON.stringify({ inputs: [input] }) }, signal);
      }
      const body = new FormData(), file = item.file || (item.waveform ? wave(item) : await png(item));
      body.append("files", file, file.name || (item.waveform ? "sound.wav" : "drawing.png"));
      return ask(at(name, "explain"), { method: "POST", body }, signal);
    },
  };
}

function nested(numbers, [size, ...rest]) {
  if (!rest.length) return numbers;
  const each = numbers.length / size;
  return Array.from({ length: size }, (_, at) => nested(numbers.slice(at * each, (at + 1) * each), rest));
}

export function png({ pixels, width, height, channels }) {
  const canvas = document.createElement("canvas");
  canvas.width = width; canvas.height = height;
  const pen = canvas.getContext("2d"), picture = pen.createImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    for (let channel = 0; channel < 3; channel++) picture.data[4 * at + channel] = pixels[channels * at + (channels === 3 ? channel : 0)];
    picture.data[4 * at + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

export function wave({ waveform, rate }) { // 32-bit floats, format 3
  const head = new DataView(new ArrayBuffer(44)), bytes = 4 * waveform.length;
  const write = (place, text) => [...text].forEach((letter, at) => head.setUint8(place + at, letter.charCodeAt(0)));
  write(0, "RIFF"); head.setUint32(4, 36 + bytes, true); write(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 3, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 4 * rate, true); head.setUint16(32, 4, true); head.setUint16(34, 32, true);
  write(36, "data"); head.setUint32(40, bytes, true);
  return new Blob([head, waveform], { type: "audio/wav" });
}
