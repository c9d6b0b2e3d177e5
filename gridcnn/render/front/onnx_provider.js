// The provider of a page that needs no server: the model lies beside the page, and a worker runs it in the browser.
//
// Everything is loaded at once when the page begins, so that it keeps answering when the server is gone. layers.json is
// Layers of provider.js with `name`, `n_copies`, and `input`: what any item looks like, or null if the page sees it in
// the grid.

function failure({ kind, message }) {
  return Object.assign(new Error(message), { kind });
}

export function onnxProvider(base = new URL("../", import.meta.url)) {
  const worker = new Worker(new URL("onnx_worker.js", import.meta.url), { type: "module" });
  const asked = new Map();
  worker.addEventListener("message", ({ data: { id, answer, error } }) => {
    const [resolve, reject] = asked.get(id);
    asked.delete(id);
    if (error) reject(failure(error)); else resolve(answer);
  });
  worker.addEventListener("error", (event) => {
    for (const [, reject] of asked.values()) reject(failure({ kind: "gone", message: event.message || "the page is incomplete" }));
    asked.clear();
  });
  let number = 0;
  const ask = (what, given) => new Promise((...both) => {
    asked.set(number += 1, both);
    worker.postMessage({ id: number, what, given });
  });

  const loaded = ask("load", base.href);
  loaded.catch(() => {}); // whoever asks is told
  let last = Promise.resolve(); // one question at a time, so that those that are outdated need no answer
  return {
    models: async () => { const { name, noun, classes } = await loaded; return [{ name, noun, classes }]; },
    layers: () => loaded,
    explain(name, item, { signal = null } = {}) {
      const answer = last.then(async () => {
        const layers = await loaded;
        if (signal) signal.throwIfAborted();
        return ask("explain", await plain(item, layers.takes.rate));
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
