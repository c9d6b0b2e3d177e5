// The page of a folder that no program serves: the model runs in the browser.

import { start } from "./live.js";
import { onnxProvider } from "./onnx_provider.js";

start(onnxProvider());
