// The live page of a service.

import { start } from "./live.js";
import { httpProvider } from "./provider.js";

start(httpProvider("", () => sessionStorage.getItem("token") || ""));
