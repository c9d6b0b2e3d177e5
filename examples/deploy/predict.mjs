// Classify one item with an exported model in Node.js:   node predict.mjs MODEL.onnx ITEM
// ITEM is a picture (opened by sharp), a .wav file of 16 bits, an array in a .json file, or a text.
import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";
const [model, item] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model);
const [{ name, type }] = session.inputMetadata;

async function picture(path) {
  const { default: sharp } = await import("sharp");
  const opaque = sharp(path, { ignoreIcc: true }).autoOrient().flatten({ background: "white" }).toColourspace("srgb");
  const { data, info } = await opaque.raw().toBuffer({ resolveWithObject: true });
  return new ort.Tensor("uint8", data, [1, info.height, info.width, info.channels]);
}

async function sound(path) {
  const trial = { [name]: new ort.Tensor("float32", new Float32Array(1), [1, 1]) };
  const rate = Number((await session.run(trial, ["sample_rate"])).sample_rate.data[0]);
  const file = readFileSync(path);
  const [channels, found, bits] = [file.readUInt16LE(22), file.readUInt32LE(24), file.readUInt16LE(34)];
  if (found !== rate || bits !== 16) throw new Error(`${path}: expected 16 bits at ${rate} samples a second`);
  const start = file.indexOf("data", 36) + 8;
  const all = new Int16Array(Uint8Array.from(file.subarray(start, start + file.readUInt32LE(start - 4))).buffer);
  const mono = new Float32Array(all.length / channels);
  all.forEach((each, at) => { mono[Math.floor(at / channels)] += each / channels / 32768; });
  return new ort.Tensor("float32", mono, [1, mono.length]);
}

function array(path) {
  const values = JSON.parse(readFileSync(path, "utf8"));
  const shape = (value) => (Array.isArray(value) ? [value.length, ...shape(value[0])] : []);
  return new ort.Tensor(type, values.flat(Infinity), [1, ...shape(values)]);
}

const text = (written) => new ort.Tensor("string", [written], [1]);
const read = { string: text, uint8: picture }[type] ?? (session.outputNames.includes("sample_rate") ? sound : array);
const { label, classes, probabilities } = await session.run({ [name]: await read(item) });
console.log(label.data[0]);
classes.data.forEach((each, at) => console.log(`${probabilities.data[at].toFixed(6)}  ${each}`));
