// Runs the model of a page by onnxruntime-web, beside the page, so that it can be drawn on meanwhile.
//
// The outputs of the model are those of gridcnn/export/traced_graph.py; answers are Layers and Values of provider.js.

const NOTHING = "the model's answer is not finite: the item holds numbers far outside those of the training";
const known = { load, begin: (base) => { begun = begin(base); return begun; }, explain };
let ort, session, layers, begun, asked = false, warm;

addEventListener("message", async ({ data: { id, what, given } }) => {
  try {
    asked ||= what === "explain";
    postMessage({ id, answer: await known[what](given) });
    if (what === "begin" && layers && !asked) warm = run(empty(layers.takes)).catch(() => {}); // the first answer takes longest
  } catch (error) {
    postMessage({ id, error: { kind: what === "explain" ? "item" : "gone", message: String(error.message || error) } });
  }
});

async function load(base) { // what the page needs to be drawn
  layers = await fetched(new URL("layers.json", base)).then((answer) => answer.json());
  return layers;
}
async function begin(base) { // what an answer needs
  const runtime = new URL("runtime/", base).href;
  let content;
  [ort, content] = await Promise.all([import(`${runtime}ort.wasm.min.mjs`), fetched(new URL("model.onnx", base)).then((answer) => answer.arrayBuffer())]);
  Object.assign(ort.env.wasm, { wasmPaths: runtime, numThreads: 1 });
  ort.env.logLevel = "error";
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "disabled" }; // the page wants most steps as they are
  session = await ort.InferenceSession.create(new Uint8Array(content), options);
}
async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status} ${answer.statusText}`);
  return answer;
}

const run = (item) => session.run({ [session.inputNames[0]]: batch(item) });

async function explain(item) {
  await begun;
  await warm;
  const outputs = await run(item);
  const packed = (name) => (outputs[name] ? { shape: [...outputs[name].dims], values: outputs[name].data } : null);
  const list = (name) => Array.from(outputs[name].data, Number);
  const probabilities = list("probabilities");
  if (!probabilities.every(Number.isFinite)) throw new Error(NOTHING);
  const words = outputs.tokens ? [...outputs.tokens.data] : [], seen = outputs.known ? Array.from(outputs.known.data, Boolean) : [];
  return {
    probabilities,
    window: list("window")[0], n_windows: list("n_windows")[0], n_copies: layers.n_copies,
    start: outputs.start ? list("start")[0] : null,
    logits: list("logits"),
    grid: packed("grid"),
    maps: layers.groups.map((group, g) => group.stages.map((_, at) => packed(`maps ${g} ${at}`))),
    column: packed("column"),
    peaks: outputs.peaks ? list("peaks") : null,
    sums: packed("sums"),
    axes: words.length ? [...layers.axes.slice(0, -1), { ...layers.axes.at(-1), words }] : null,
    input: words.length ? { kind: "words", words: words.map((word, at) => [word, seen[at]]).slice(0, words.findLastIndex(Boolean) + 1) } : layers.input.kind === "curve" ? layers.input : null,
    cautions: [], remarks: [],
    unknown: unknownWords(words, seen),
  };
}

// As gridcnn.render.live.unknown_words.
function unknownWords(words, seen) {
  const every = words.map((word, at) => [word, seen[at]]).filter(([word]) => word), spoken = every.filter(([word]) => /[\p{L}\p{N}]/u.test(word));
  const counted = spoken.length ? spoken : every, unknown = counted.filter(([, is]) => !is).map(([word]) => word);
  if (!unknown.length) return null;
  return { words: [...new Set(unknown)], count: unknown.length, total: counted.length, characters: counted.every(([word]) => [...word].length === 1) };
}

// An item with nothing in it.
function empty({ height, width, channels, samples, shape }) {
  const { type } = session.inputMetadata[0];
  if (type === "string") return { text: "" };
  if (type === "uint8") return { pixels: new Uint8Array(height * width * channels), height, width, channels };
  if (shape) return { numbers: new Float32Array(shape.reduce((product, size) => product * size, 1)), shape };
  return { waveform: new Float32Array(samples || 1) };
}

// One item as a batch, as the model takes it.
function batch({ text, pixels, width, height, channels, waveform, numbers, shape }) {
  if (text !== undefined) return new ort.Tensor("string", [text], [1]);
  if (pixels) return new ort.Tensor("uint8", Uint8Array.from(pixels), [1, height, width, channels]);
  if (waveform) {
    if (!waveform.length) throw new Error("it is empty");
    return new ort.Tensor("float32", waveform, [1, waveform.length]);
  }
  const { type } = session.inputMetadata[0];
  return new ort.Tensor(type, (type === "float64" ? Float64Array : Float32Array).from(numbers), [1, ...shape]);
}
