// The explanation page of one item: its data stand in the page.

import { darkness } from "./colours.js";
import { make, one } from "./dom.js";
import { followSound } from "./input.js";
import { listen } from "./inspect.js";
import { paint, paintAgain, paintExtras, paintKernels } from "./paint.js";
import { inspector, sections } from "./sections.js";
import { fill, load, shown } from "./state.js";
import { t } from "./words.js";

const data = JSON.parse(one("#data").textContent);
load(data.layers);
fill(data.values);
one("article footer").before(...sections({ explained: data.explained, extras: true, match: data.match }));
one("article footer").prepend(make("p", {}, t("footer")));
one("article").after(inspector());
paintKernels();
paint();
paintExtras(data);
listen();
followSound();
darkness.addEventListener("change", () => { paintKernels(); paintAgain(); paintExtras(data); });
document.documentElement.dataset.drawn = shown.values ? "yes" : "no";
