// The provider of a page that needs no server: the model lies beside the page, and a worker runs it in the browser.
//
// Everything is loaded at once when the page begins, so that it keeps answering when the server is gone. layers.json is
// Layers of provider.js with `name`, `n_copies`, and `input`, as far as it is the same for all items.

import { gridPicture } from "./colours.js";
import { planes } from "./numbers.js";
import { wave } from "./provider.js";

function failure({ kind, message }) {
  return Object.assign(new Error(message), { kind });
}

export function onnxProvider(base = new URL("../", import.meta.url)) {
  const asked = new Map();
  let worker = null, loading = null, beginning = null, number = 0;
  let last = Promise.resolve(); // one question at a time, so that those that are outdated need no answer

  function employ() {
    worker = new Worker(new URL("onnx_worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: { id, answer, error } }) => {
      const [resolve, reject] = asked.get(id);
      asked.delete(id);
      if (error) reject(failure(error)); else resolve(answer);
    });
    worker.addEventListener("error", (event) => { // it could not be loaded
      for (const [, reject] of asked.values()) reject(failure({ kind: "gone", message: event.message || "the page is incomplete" }));
      asked.clear();
      worker = null;
    });
  }
  function ask(what, given) {
    if (!worker) employ();
    return new Promise((...both) => {
      asked.set(number += 1, both);
      worker.postMessage({ id: number, what, given });
    });
  }
  function load() { // once; after a failure again
    loading ||= ask("load", base.href).catch((error) => { loading = null; throw error; });
    return loading;
  }
  function ready() {
    beginning ||= Promise.all([ask("begin", base.href), load()]).catch((error) => { beginning = null; throw error; });
    return beginning;
  }
  ready().catch(() => {}); // whoever asks is told
  return {
    ready,
    models: async () => { const { name, noun, classes } = await load(); return [{ name, noun, classes }]; },
    layers: load,
    explain(name, item, { signal = null } = {}) {
      const answer = last.then(async () => {
        const layers = await load();
        if (signal) signal.throwIfAborted();
        const given = await plain(item, layers.takes.rate);
        const [, values] = await Promise.all([ready(), ask("explain", given)]); // the worker waits for itself
        return given.waveform ? heard(layers, values, given.waveform) : values;
      });
      last = answer.catch(() => {});
      return answer;
    },
  };
}

// The item as the model takes it: pixels, a text, numbers, a waveform at the model's rate.
async function plain(item, rate) {
  const { text, pixels, width, height, channels, waveform, file, numbers, shape } = item;
  if (text !== undefined) return { text };
  if (pixels) return { pixels, width, height, channels };
  if (waveform || file) return { waveform: file || item.rate !== rate ? await atRate(item, rate) : waveform };
  return { numbers, shape };
}

// A sound at a rate (Hz), mono; a file is decoded at that rate, which loses nothing if it is the file's own.
async function atRate({ file, waveform, rate }, wanted) {
  let sound;
  try {
    if (file) sound = await new OfflineAudioContext(1, 1, wanted).decodeAudioData(await file.arrayBuffer());
    else {
      const context = new OfflineAudioContext(1, Math.max(Math.round((waveform.length * wanted) / rate), 1), wanted);
      const buffer = new AudioBuffer({ length: Math.max(waveform.length, 1), sampleRate: rate });
      buffer.copyToChannel(waveform, 0);
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(context.destination); source.start();
      sound = await context.startRendering();
    }
  } catch (error) {
    throw failure({ kind: "item", message: String(error.message || error) });
  }
  const heard = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at));
  return heard.length === 1 ? heard[0] : heard[0].map((_, at) => heard.reduce((sum, channel) => sum + channel[at], 0) / heard.length);
}

// The window of a sound as a picture that can be played; what `start` means, AudioAdapter says.
const PACES = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300]; // seconds between two marks
let clip = null;

function heard(layers, values, waveform) {
  const { rate, samples } = layers.takes, { step, hertz } = layers.input, start = values.start || 0;
  const within = new Float32Array(samples), axis = layers.axes.at(-1), columns = axis.low.length, begins = start / rate;
  within.set(waveform.subarray(Math.max(start, 0), start + samples), Math.max(-start, 0));
  URL.revokeObjectURL(clip);
  clip = URL.createObjectURL(wave({ waveform: within, rate }));
  const [low, high] = [axis.low, axis.high].map((edges) => edges.map((edge) => edge + begins)), length = high.at(-1) - low[0];
  const pace = PACES.find((each) => length / each <= 8) || PACES.at(-1), times = [];
  for (let count = Math.ceil(low[0] / pace - 1e-9); count * pace <= high.at(-1) + 1e-9; count++) {
    const column = Math.min(Math.max((count * pace - begins) / step, 0), columns - 1);
    times.push([`${Number((count * pace).toFixed(3))} s`, (column + 0.5) / columns]);
  }
  const picture = values.grid && gridPicture(planes(values.grid), layers.sizes, { upwards: layers.upwards, tinted: true });
  return { ...values, axes: [...layers.axes.slice(0, -1), { ...axis, low, high }], input: { kind: "picture", picture, sound: clip, step, hertz, times } };
}
