// The provider of a page that needs no server: the model lies beside the page, and onnxruntime-web runs it here.
//
// Everything is loaded at once when the page begins, so that it keeps answering when the server is gone. The outputs of
// the model are those of gridcnn/export/traced_graph.py; layers.json is Layers of provider.js, with `name`, `n_copies`,
// and `input`: what an item looks like, or null.

const NOTHING = "the model's answer is not finite: the item holds numbers far outside those of the training";

function failure(kind, message) {
  return Object.assign(new Error(message), { kind });
}

export function onnxProvider(base = new URL("../", import.meta.url)) {
  const loading = load(base);
  loading.catch(() => {}); // whoever asks is told
  let last = Promise.resolve(); // a session answers one question at a time
  return {
    models: async () => { const { layers } = await loading; return [{ name: layers.name, noun: layers.noun, classes: layers.classes }]; },
    layers: async () => (await loading).layers,
    explain(name, item, { signal = null } = {}) {
      const answer = last.then(async () => {
        const model = await loading;
        if (signal) signal.throwIfAborted();
        return explain(model, item);
      });
      last = answer.catch(() => {});
      return answer;
    },
  };
}

async function load(base) {
  try {
    const runtime = new URL("runtime/", base).href;
    const [layers, content, ort] = await Promise.all([
      fetched(new URL("layers.json", base)).then((answer) => answer.json()),
      fetched(new URL("model.onnx", base)).then((answer) => answer.arrayBuffer()),
      import(`${runtime}ort.wasm.min.mjs`),
    ]);
    Object.assign(ort.env.wasm, { wasmPaths: runtime, numThreads: 1 });
    ort.env.logLevel = "error";
    const session = await ort.InferenceSession.create(new Uint8Array(content), { executionProviders: ["wasm"] });
    return { layers, ort, session };
  } catch (error) {
    throw failure("gone", String(error.message || error));
  }
}
async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status} ${answer.statusText}`);
  return answer;
}

async function explain({ layers, ort, session }, item) {
  let outputs;
  const input = await tensor(ort, session, layers, item);
  try {
    outputs = await session.run({ [session.inputNames[0]]: input });
  } catch (error) {
    throw failure("item", String(error.message || error));
  }
  const packed = (name) => outputs[name] ? { shape: [...outputs[name].dims], values: outputs[name].data } : null;
  const list = (name) => Array.from(outputs[name].data, Number);
  const probabilities = list("probabilities");
  if (!probabilities.every(Number.isFinite)) throw failure("item", NOTHING);
  const words = outputs.tokens ? [...outputs.tokens.data] : [], known = outputs.known ? Array.from(outputs.known.data, Boolean) : [];
  return {
    probabilities,
    window: list("window")[0], n_windows: list("n_windows")[0], n_copies: layers.n_copies,
    logits: list("logits"),
    grid: packed("grid"),
    maps: layers.groups.map((group, g) => group.stages.map((_, at) => packed(`maps ${g} ${at}`))),
    column: packed("column"),
    peaks: outputs.peaks ? list("peaks") : null,
    axes: words.length ? [...layers.axes.slice(0, -1), { ...layers.axes.at(-1), words }] : null,
    input: words.length ? { kind: "words", words: words.map((word, at) => [word, known[at]]).slice(0, words.findLastIndex(Boolean) + 1) } : layers.input,
    cautions: [], remarks: [],
    unknown: unknownWords(words, known),
  };
}

// As gridcnn.render.live.unknown_words.
function unknownWords(words, known) {
  const every = words.map((word, at) => [word, known[at]]).filter(([word]) => word), spoken = every.filter(([word]) => /[\p{L}\p{N}]/u.test(word));
  const counted = spoken.length ? spoken : every, unknown = counted.filter(([, is]) => !is).map(([word]) => word);
  if (!unknown.length) return null;
  return { words: [...new Set(unknown)], count: unknown.length, total: counted.length, characters: counted.every(([word]) => [...word].length === 1) };
}

// The batch of one item, as the model takes it.
async function tensor(ort, session, layers, item) {
  if (item.text !== undefined) return new ort.Tensor("string", [item.text], [1]);
  if (item.pixels) return new ort.Tensor("uint8", Uint8Array.from(item.pixels), [1, item.height, item.width, item.channels]);
  if (item.waveform || item.file) {
    const waveform = await atRate(item, layers.takes.rate);
    if (!waveform.length) throw failure("item", "it is empty");
    return new ort.Tensor("float32", waveform, [1, waveform.length]);
  }
  const [described] = session.inputMetadata, kind = described.type === "float64" ? Float64Array : Float32Array;
  return new ort.Tensor(described.type, kind.from(item.numbers), [1, ...item.shape]);
}

// A sound at the model's rate (Hz), mono; a file is decoded at that rate, which loses nothing if it is the file's own.
async function atRate({ file, waveform, rate }, wanted) {
  if (!file && rate === wanted) return waveform;
  let sound;
  try {
    if (file) sound = await new OfflineAudioContext(1, 1, wanted).decodeAudioData(await file.arrayBuffer());
    else {
      const context = new OfflineAudioContext(1, Math.max(Math.round((waveform.length * wanted) / rate), 1), wanted);
      const source = new AudioBufferSourceNode(context, { buffer: new AudioBuffer({ length: Math.max(waveform.length, 1), sampleRate: rate }) });
      source.buffer.copyToChannel(waveform, 0);
      source.connect(context.destination); source.start();
      sound = await context.startRendering();
    }
  } catch (error) {
    throw failure("item", String(error.message || error));
  }
  const channels = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at));
  return channels.length === 1 ? channels[0] : channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
}
