// The page of a folder that no program serves: the model runs in the browser. It begins to load before the page does.

import { onnxProvider } from "./onnx_provider.js";

const provider = onnxProvider();
const { start } = await import("./live.js");
start(provider);
