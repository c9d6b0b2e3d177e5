// Every sentence of the pages, in English and in Chinese. Marks as in dom.js: **bold**, [orange], {blue}, %s.

// A number with what is counted, in the plural unless it is one; `all` stands before several only.
const counted = (count, one, all = "") => `${count === 1 ? "" : all}${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

// How the last maps became the column, by the kinds of its parts.
function laidOutBy(kinds, entries) {
  if (!kinds.length) return `Dense layers read the last maps; the last of them has ${entries} neurons, the numbers of this column.`;
  if (kinds[0] === "cells") return `The last maps are laid out cell by cell as one column of ${entries} numbers, so that each says what was found and exactly where.`;
  if (kinds.length > 2) return `The last maps become one column of ${entries} numbers: the largest cell of each map says whether its kernel found what it looks for; those of its halves and quarters along each axis say roughly where.`;
  const found = { largest: "its largest cell, which says whether its kernel found what it looks for anywhere", mean: "the mean of its cells, which says how well it fits on the whole", share: "the share of its cells above 0, which says how often its kernel found what it looks for" };
  return `The last maps become one column of ${entries} numbers, ${kinds.length === 1 ? "one" : "two"} of each map: ${kinds.map((kind) => found[kind]).join("; and ")}.`;
}

const ENGLISH = {
  axis: {}, // names of axes stay as they are
  comma: ", ", semicolon: "; ", colon: ": ",
  numbers: (count, ends) => `Paste ${ends ? "up to " : ""}${count} numbers, separated by spaces, commas or lines`, example: "An example", notNumbers: (count, found, ends) => `${ends ? "Up to " : ""}${count} numbers are expected, and there are ${found}.`,
  // the sections that every page has
  theItem: (noun) => `The ${noun}`,
  cellsOf: (noun) => `The ${noun}: arrow keys move from cell to cell`,
  small: "Small kernels look for small things",
  unitNames: { word: "word", character: "character" },
  slides: (noun, unit, pools, fixed) => `Each kernel${fixed ? ", a fixed contrast of a few cells," : ""} slides over the ${noun} and is matched with every patch under it.${unit ? ` A kernel reaches over a few ${unit}s at a time.` : ""} **Match** shows where it fits ([orange]) and where the opposite is found ({blue}); **ReLU** cuts off what is below zero${pools ? "; **pooling** keeps one number of each window" : ""}.`,
  again: (block) => `Block ${block} looks again`,
  readsAbove: (pools) => `A second layer of kernels reads the maps above${pools ? " and pools what it found" : ""}.`,
  onTop: (block) => `Block ${block}: kernels on top of kernels`,
  sameSteps: (noun) => `The same three steps on the smaller maps. Here a kernel no longer looks at the ${noun} but at what the kernels below it found, so it sees more of the ${noun} at once.`,
  kernelsOf: (group, explained) => `Block ${group.block}, convolution ${group.number}: ${group.maps.length < group.n_maps
    ? `the ${group.maps.length} of ${group.n_maps.toLocaleString("en")} kernels ${group.maps.length === group.n_counting ? "that count at all (the weights of the others are 0)" : explained ? `that matter most to “${explained}”` : "with the largest weights"}`
    : `${counted(group.n_maps, "kernel", "all ")}${group.n_maps === 1 ? "" : `, ${explained ? `those that matter most to “${explained}”` : "the largest weights"} first`}`}, `,
  cellsWide: (sizes, flat) => `${sizes} ${sizes === "1" ? "cell" : "cells"} ${flat ? "wide" : "a side"}`,
  eachOver: (count, first) => `, each over ${counted(count, first ? "channel" : "map")}.`,
  scale: "Colour scale: blue below zero, orange above",
  looksFor: "looks for", addsUp: (label, speaksFor) => `adds up what speaks ${speaksFor ? "for" : "against"} “${label}”`,
  aboutBag: (bag, noun, unit) => `Kernels ${bag.first} to ${bag.last} are a bag${unit ? ` of ${unit}s` : ""} inside the network. Each is one cell wide and picks up what a ${unit || "cell"} says for one class or against it${unit ? `, with the runs of ${unit}s that it begins` : ""}, as counts in training told. Its map is summed over the whole ${noun}, and the sum votes.${bag.alone ? " The other kernels count nothing: their weights are 0, since they added nothing on items held out. So this network is a bag alone." : ""}`,
  kernel: (at) => `kernel ${at}`,
  nameOf: (group, at) => `block ${group.block}, convolution ${group.number}, kernel ${group.maps[at]}`,
  weightsOf: (name, some) => `${name}: its weights${some ? " for the maps it listens to most" : ""}`,
  mapOf: (name, title, sizes) => `${name}, ${title}: ${sizes[0] > 1 ? `${sizes[0]} by ${sizes[1]}` : sizes[1]} ${sizes[0] * sizes[1] === 1 ? "cell" : "cells"}; arrow keys move`,
  titles: { match: "match", ReLU: "ReLU", pooled: "pooled", scaled: "scaled" },
  weightsFor: (map, first) => `its weights for ${first ? "channel" : "map"} ${map}`,
  more: (count) => counted(count, "more kernel"),
  column: "One column, and every number votes",
  laidOut: (entries, { parts, summed }) => `${laidOutBy(parts.map((part) => part.kind), entries.toLocaleString("en"))}${summed ? ` The last ${summed} ${summed === 1 ? "is the sum" : "are sums"} over all cells, of the maps that add up evidence.` : ""} Every number has a weight for every class; number × weight is its vote.`,
  whoseVotes: "Class whose votes are shown",
  parts: { column: "the column", weights: "weights for", votes: "votes" },
  partsAria: { column: "The column; arrow keys move", weights: "Its weights; arrow keys move", votes: "The votes; arrow keys move" },
  sum: (votes, bias, logit, label, chance) => `All votes ${votes}, bias ${bias}: ${logit} for “${label}”, a probability of ${chance}.`,
  votesFor: "Strongest votes for", votesAgainst: "Strongest votes against",
  none: "none", notSent: "too many to be listed here", clipped: "(a few are far larger than the colours reach)",
  ofCell: (map, place, where) => `map ${map}, ${place}: ${where}`,
  ofLargest: (map, part, where) => `the largest cell of map ${map}${part ? `, ${part}` : ""}: ${where}`,
  within: (part) => `within ${part.map(([start, stop]) => `cells ${start}–${stop - 1}`).join(" across ")}`,
  ofMean: (map, cells) => `the mean of ${counted(cells, "cell", "all ")} of map ${map}`,
  ofShare: (map, cells) => `the share of the ${counted(cells, "cell")} of map ${map} that ${cells === 1 ? "is" : "are"} above 0`,
  ofSum: (map, most) => `the sum of all cells of map ${map}${most ? `, most of it from ${most}` : ""}`,
  ofNeuron: (entry, map, where) => `neuron ${entry} of the last dense layer${map ? `; what it rests on most: map ${map}, ${where}` : ""}`,
  answer: "The answer",
  softmax: (averaged, temperature) => `The sums become probabilities (softmax)${averaged ? ", averaged over windows and flipped copies" : ""}.${temperature === 1 ? "" : ` The last weights and biases are divided by ${temperature.toFixed(2)}, the temperature that suits the items held out in training best, so that stated probabilities come true about as often as they say.`}`,
  sigmoid: (averaged, temperature) => `Each sum becomes a probability of its own (sigmoid)${averaged ? ", averaged over windows and flipped copies" : ""}.${temperature === 1 ? "" : ` The last weights and biases are divided by ${temperature.toFixed(2)}, the temperature that suits the items held out in training best, so that stated probabilities come true about as often as they say.`}`,
  noLabel: "no label",
  noClass: "none of the classes",
  moreClasses: (count) => `and ${count} more ${count === 1 ? "class" : "classes"}.`,
  looked: "Where it looked",
  counted: (cam) => `What counted for “%s” ([orange]) and against it ({blue}), cell by cell, by smoothed integrated gradients.${cam ? " Beside it, Grad-CAM: where the last block saw what spoke for it." : ""}`,
  attribution: "attribution", cam: "Grad-CAM", attributionAria: "Attribution of each cell", camAria: "Grad-CAM",
  learned: "Learned, not designed",
  nobody: (match) => `Nobody drew these kernels: they began at random and were corrected until the answers were right. Left, how well ${match.name} matches each place (1 would be a perfect match); right, a random kernel of the same ${match.numbers.toLocaleString("en")} numbers. The best match is ${match.best.toFixed(2)} for the learned kernel, ${match.best_by_chance.toFixed(2)} for the random one${match.best > 1.5 * match.best_by_chance ? ", whose map is noise." : ": here the two differ little."}`,
  butBag: (bag) => ` Kernels ${bag.first} to ${bag.last} are not among them: they pick up what counts told.`,
  fixed: "Fixed, not learned", fixedKernel: "fixed",
  contrasts: (match) => `These kernels are the same whatever the data: each is a contrast that weighs three cells, at some distance from each other, against six others. From the training series come only the thresholds, below which ReLU cuts off, and the weights of the votes, which were solved in one step. Below, how well ${match.name} matches each place (1 would be a perfect match); the best is ${match.best.toFixed(2)}.`,
  learnedKernel: "learned", randomKernel: "random", to: "to",
  noWords: "no words", series: "The series as a curve", spectrogram: "Spectrogram", theSound: "The sound",
  footer: "Numbers are kept as 32-bit floats (seven digits) and shown rounded. Colours: one scale for each row of maps, centred on zero.",
  inspector: "The sum behind a cell", close: "Close",
  point: "Point at a cell of any map: its patch lights up here and in the layer below, and the sum behind it is written out.",
  // the sum behind a cell
  kernelStage: (kernel, title) => `Kernel ${kernel}, ${title}`,
  seesWhat: (group, flat, y, x, where) => `block ${group.block}, convolution ${group.number}; ${flat ? `cell ${x}` : `row ${y}, column ${x}`}. It sees ${where}.`,
  outside: "outside", padding: "· (padding)", place: (flat, y, x) => (flat ? `cell ${x}` : `row ${y}, column ${x}`),
  wordSums: (count, unit) => `Each ${unit}'s ${count} numbers × the kernel's, added up:`,
  units: { channel: "channel", number: "number", map: "map" },
  patchOf: (unit, at) => (unit ? `patch of ${unit} ${at}` : "patch"), kernelTable: "kernel", sumsTo: (sum) => `sums to ${sum}`,
  patchTimes: (unit, at) => `${unit} ${at}: patch × kernel`,
  moreDrawn: (count, unit) => `${counted(count, `more ${unit}`)} that ${count === 1 ? "is" : "are"} drawn`, notDrawn: (count, unit) => `${counted(count, unit)} that ${count === 1 ? "is" : "are"} not drawn`,
  bias: "bias", total: "sum", timesScale: "× scale of the normalisation", plusShift: "+ its shift", match: "match",
  before: "before", stays: "above zero: it stays", becomes: "not above zero: it becomes 0",
  window: "the window", mean: "their mean", largestOf: (count) => `the largest of ${count}`, scaleOnly: "× scale", shiftOnly: "+ shift",
  entry: (at) => `Entry ${at} of the column`,
  itsValue: "its value", itsWeight: (label) => `× its weight for “${label}”`, itsVote: "its vote",
  standardised: (where) => `${where}; standardised, as the network reads it.`,
  colours: ["red", "green", "blue"], channelAt: (at) => `channel ${at}`, level: "level", input: "input", spokenEntry: (at, vote) => `entry ${at}: vote ${vote}`,
  // the live page
  title: "Watch a network think", ask: { image: "Draw, or choose a picture: ", sound: "Speak, or choose a recording: ", text: "Write something: ", numbers: "Paste numbers: " },
  lead: (ask) => `${ask}${ask ? "the" : "The"} answer and every layer follow. Nothing leaves this page but to its own server.`, leadAlone: (ask) => `${ask}${ask ? "the" : "The"} answer and every layer follow. All of it is computed here, in your browser.`,
  model: "Model", language: "Language", loading: "Loading the model …",
  drawAria: "Drawing area: arrow keys move the pen, Space puts it down or lifts it, E changes to the eraser, Delete clears",
  drawHere: "Draw here", pen: "Pen", eraser: "Eraser", clear: "Clear", width: "Stroke width", fit: "Centre and fill", choosePicture: "Choose a picture", camera: "Camera", shoot: "Take the picture", stop: "Stop",
  chooseSound: "Choose a sound", record: "Record", dropSound: "Drop a recording here, or record one", dropPicture: "Drop a picture on the canvas, or take one",
  write: (noun) => `Write a ${noun}`, recording: (seconds) => `Recording: ${seconds} s`,
  noCamera: "There is no camera, or the browser may not use it.", noMicrophone: "There is no microphone, or the browser may not use it.",
  insecure: "Camera and microphone need https, or a page from this machine.", unreadable: "This file cannot be read here.",
  penDown: "pen down", penUp: "pen up", penAt: (x, y) => `${x}, ${y}`, cannotAsk: (noun) => `This page cannot ask for a ${noun}: send it to the service instead.`,
  nothing: { picture: "Nothing is drawn yet.", sound: "No sound yet.", sentence: "Nothing is written yet.", text: "Nothing is written yet." }, nothingElse: "Nothing to answer yet.",
  blank: { picture: "No answer: the picture is of one colour.", sound: "No answer: this is silence." }, blankElse: "No answer: there is nothing in it.",
  allUnknown: "No answer: the model knows none of these words.", allUnknownCharacters: "No answer: the model knows none of these characters.",
  unknown: (count, total, characters, cut) => `${count} of ${total} ${characters ? "characters" : "words"}${cut ? " of this window" : ""} ${count === 1 ? "is" : "are"} unknown to the model:`,
  lessTrust: "This answer deserves less trust:", thinking: "…",
  gone: "The server does not answer. Trying again …", retry: "Try again", busy: "The server is busy. Trying again …",
  token: "This server asks for a token.", badToken: "This token was not accepted.", noAnswer: "No answer yet.", enter: "Enter", cannot: (why) => `This cannot be read: ${why}`,
  windows: (n, of) => `It is longer than the grid and was cut into ${of} windows, whose answers are averaged. Window ${n} is shown.`, copies: "The answer is the mean over the item as it is, which is shown here, and flipped.",
  leftOut: (what) => `Too large to draw: ${what}.`, convolution: (block, at) => `block ${block} convolution ${at}`, layersAria: "The sizes of each layer",
  sizes: { input: "input", column: "column", votes: "votes" }, sizeOfBlock: (block) => `block ${block}`, noModels: "The server has no model.",
};

const CHINESE = {
  axis: { height: "高", width: "宽", frequency: "频率", time: "时间", token: "词", column: "列" }, comma: "，", semicolon: "；", colon: "：",
  numbers: (count, ends) => `粘贴${ends ? "最多" : ""} ${count} 个数，用空格、逗号或换行分开`, example: "例子", notNumbers: (count, found, ends) => `需要${ends ? "最多" : ""} ${count} 个数，现在有 ${found} 个。`,
  theItem: (noun) => noun, cellsOf: (noun) => `${noun}：用方向键逐格移动`,
  small: "小小的卷积核，寻找小小的特征",
  unitNames: { word: "词", character: "字" },
  slides: (noun, unit, pools, fixed) => `每个卷积核${fixed ? "（固定的几格对比）" : ""}在${noun}上滑动，与它下面的每一块比较。${unit ? `一个卷积核一次看几个${unit}。` : ""}**匹配**图显示哪里相符（[橙色]）、哪里相反（{蓝色}）；**ReLU** 把小于零的数变为零${pools ? "；**池化**在每个窗口里只留一个数" : ""}。`,
  again: (block) => `第 ${block} 块再看一遍`, readsAbove: (pools) => `第二层卷积核读上面的图${pools ? "，再把结果池化" : ""}。`,
  onTop: (block) => `第 ${block} 块：卷积核之上的卷积核`,
  sameSteps: (noun) => `在更小的图上重复同样三步。这里的卷积核不再看${noun}本身，而是看下面的卷积核找到了什么，因此一次能看到${noun}的更大一部分。`,
  kernelsOf: (group, explained) => `第 ${group.block} 块，卷积 ${group.number}：${group.maps.length < group.n_maps ? `${group.n_maps.toLocaleString("zh")} 个卷积核中${group.maps.length === group.n_counting ? "起作用（其他权重为 0）" : explained ? `对“${explained}”最重要` : "权重最大"}的 ${group.maps.length} 个` : `全部 ${group.n_maps} 个卷积核，${explained ? `对“${explained}”最重要` : "权重最大"}的在前`}，`,
  cellsWide: (sizes, flat) => `${flat ? "宽" : "边长"} ${sizes} 格`, eachOver: (count, first) => `，各看 ${count} 个${first ? "通道" : "图"}。`,
  scale: "色标：蓝色小于零，橙色大于零", looksFor: "寻找", addsUp: (label, speaksFor) => `累计${speaksFor ? "支持" : "反对"}“${label}”的证据`,
  aboutBag: (bag, noun, unit) => `卷积核 ${bag.first} 到 ${bag.last} 是网络里的${unit || ""}袋。每个只有一格宽，取出一个${unit || "格"}${unit ? `（连同后面的${unit}）` : ""}在训练中统计到的、支持或反对某一类的证据；它的图在整个${noun}上的和参加投票。${bag.alone ? "其他卷积核不起作用：它们的权重是 0，因为在留出的样本上毫无帮助。所以这个网络只是一个袋。" : ""}`,
  kernel: (at) => `卷积核 ${at}`,
  nameOf: (group, at) => `第 ${group.block} 块，卷积 ${group.number}，卷积核 ${group.maps[at]}`, weightsOf: (name, some) => `${name}：${some ? "它最关注的图的" : ""}权重`,
  mapOf: (name, title, sizes) => `${name}，${title}：${sizes[0] > 1 ? `${sizes[0]} × ${sizes[1]}` : sizes[1]} 格；用方向键移动`,
  titles: { match: "匹配", ReLU: "ReLU", pooled: "池化", scaled: "缩放" }, weightsFor: (map, first) => `它对${first ? "通道" : "图"} ${map} 的权重`,
  more: (count) => `另外 ${count} 个卷积核`, column: "排成一列，每个数投一票",
  laidOut: (entries, { parts, summed }) => `${laidOutByInChinese(parts.map((part) => part.kind), entries.toLocaleString("zh"))}${summed ? `最后 ${summed} 个数是累计证据的图中所有格的和。` : ""}每个数对每个类别都有一个权重；数 × 权重就是它的一票。`,
  whoseVotes: "显示哪个类别的票", parts: { column: "这一列", weights: "权重：", votes: "票" },
  partsAria: { column: "这一列；用方向键移动", weights: "它的权重；用方向键移动", votes: "票；用方向键移动" },
  sum: (votes, bias, logit, label, chance) => `全部票数 ${votes}，偏置 ${bias}：“${label}”得 ${logit}，概率为 ${chance}。`,
  votesFor: "最强的赞成票", votesAgainst: "最强的反对票", none: "无", notSent: "太多，这里列不出", clipped: "（少数几个远远超出色标）",
  ofCell: (map, place, where) => `图 ${map}，${place}：${where}`, ofLargest: (map, part, where) => `图 ${map} 最大的一格${part ? `，${part}` : ""}：${where}`,
  within: (part) => `在 ${part.map(([start, stop]) => `${start}–${stop - 1} 格`).join(" × ")} 之内`, ofMean: (map, cells) => `图 ${map} 全部 ${cells.toLocaleString("zh")} 格的平均`,
  ofShare: (map, cells) => `图 ${map} 的 ${cells.toLocaleString("zh")} 格中大于零的比例`, ofSum: (map, most) => `图 ${map} 所有格的和${most ? `，主要来自 ${most}` : ""}`,
  ofNeuron: (entry, map, where) => `最后一个全连接层的神经元 ${entry}${map ? `；主要依据图 ${map}，${where}` : ""}`,
  answer: "答案", softmax: (averaged, temperature) => `各类的和变为概率（softmax）${averaged ? "，并对各窗口和翻转的副本取平均" : ""}。${temperature === 1 ? "" : `最后一层的权重和偏置已除以温度 ${temperature.toFixed(2)}：它最适合训练时留出的样本，使给出的概率与实际正确的频率大致相符。`}`, sigmoid: (averaged, temperature) => `每一类的和各自变为概率（sigmoid）${averaged ? "，并对各窗口和翻转的副本取平均" : ""}。${temperature === 1 ? "" : `最后一层的权重和偏置已除以温度 ${temperature.toFixed(2)}：它最适合训练时留出的样本，使给出的概率与实际正确的频率大致相符。`}`, noLabel: "没有标签", noClass: "不属于任何类别", moreClasses: (count) => `另有 ${count} 个类别。`,
  looked: "它看了哪里", counted: (cam) => `逐格显示什么支持“%s”（[橙色]）、什么反对（{蓝色}），用平滑的积分梯度计算。${cam ? "旁边是 Grad-CAM：最后一块在哪里看到了支持它的东西。" : ""}`,
  attribution: "归因", cam: "Grad-CAM", attributionAria: "每一格的归因", camAria: "Grad-CAM", learned: "学来的，不是设计的",
  nobody: (match) => `没有人画过这些卷积核：它们从随机开始，不断修正，直到答案正确。左边是 ${match.name} 与各处的匹配程度（1 为完全匹配），右边是同样 ${match.numbers.toLocaleString("zh")} 个数的随机卷积核。最佳匹配：学来的 ${match.best.toFixed(2)}，随机的 ${match.best_by_chance.toFixed(2)}。`,
  butBag: (bag) => `卷积核 ${bag.first} 到 ${bag.last} 不在其中：它们取出统计到的证据。`, fixed: "固定的，不是学来的", fixedKernel: "固定的",
  contrasts: (match) => `无论什么数据，这些卷积核都一样：每个都是三格与另外六格的对比，格与格相隔一定距离。来自训练数据的只有阈值（ReLU 由此截断）和一步解出的投票权重。下面是 ${match.name} 与各处的匹配程度（1 为完全匹配），最佳为 ${match.best.toFixed(2)}。`,
  learnedKernel: "学来的", randomKernel: "随机的", to: "到", noWords: "没有词", series: "序列的曲线", spectrogram: "声谱图", theSound: "声音",
  footer: "数以 32 位浮点（七位数字）保存，显示时取整。颜色：每一行图共用一个以零为中心的色标。", inspector: "一格背后的算式", close: "关闭",
  point: "指向任何一张图的一格：它下面的那一块会在这里和下一层亮起，并写出它背后的算式。",
  kernelStage: (kernel, title) => `卷积核 ${kernel}，${title}`, seesWhat: (group, flat, y, x, where) => `第 ${group.block} 块，卷积 ${group.number}；${flat ? `第 ${x} 格` : `第 ${y} 行，第 ${x} 列`}。它看到 ${where}。`,
  outside: "外面", padding: "·（填充）", place: (flat, y, x) => (flat ? `第 ${x} 格` : `第 ${y} 行，第 ${x} 列`), wordSums: (count, unit) => `每个${unit}的 ${count} 个数 × 卷积核的数，加起来：`,
  units: { channel: "通道", number: "数", map: "图" }, patchOf: (unit, at) => (unit ? `${unit} ${at} 的一块` : "一块"), kernelTable: "卷积核", sumsTo: (sum) => `和为 ${sum}`,
  patchTimes: (unit, at) => `${unit} ${at}：块 × 卷积核`, moreDrawn: (count, unit) => `另外 ${count} 个画出的${unit}`, notDrawn: (count, unit) => `${count} 个没有画出的${unit}`,
  bias: "偏置", total: "和", timesScale: "× 归一化的系数", plusShift: "+ 它的偏移", match: "匹配", before: "之前", stays: "大于零：保留", becomes: "不大于零：变为 0",
  window: "这个窗口", mean: "它们的平均", largestOf: (count) => `${count} 个中最大的`, scaleOnly: "× 系数", shiftOnly: "+ 偏移",
  entry: (at) => `这一列的第 ${at} 个数`,
  itsValue: "它的值", itsWeight: (label) => `× 它对“${label}”的权重`, itsVote: "它的票", standardised: (where) => `${where}；经过标准化，网络读到的就是它。`,
  colours: ["红", "绿", "蓝"], channelAt: (at) => `通道 ${at}`, level: "值", input: "输入", spokenEntry: (at, vote) => `第 ${at} 个数：票 ${vote}`,
  title: "看网络如何思考", ask: { image: "画一画，或选择图片：", sound: "说一说，或选择录音：", text: "写一写：", numbers: "粘贴一些数：" },
  lead: (ask) => `${ask}答案和每一层都随之变化。除了本页自己的服务器，什么也不会发出去。`, leadAlone: (ask) => `${ask}答案和每一层都随之变化。一切都在你的浏览器里计算。`,
  model: "模型", language: "语言", loading: "正在载入模型……", drawAria: "画布：方向键移动画笔，空格键落笔或抬笔，E 键换橡皮，Delete 键清空",
  drawHere: "在这里画", pen: "画笔", eraser: "橡皮", clear: "清空", width: "笔画粗细", fit: "居中并放满", choosePicture: "选择图片", camera: "相机", shoot: "拍照", stop: "停止",
  chooseSound: "选择声音", record: "录音", dropSound: "把录音拖到这里，或者录一段", dropPicture: "把图片拖到画布上，或者拍一张", write: (noun) => `写一${noun === "句子" ? "句话" : "段文字"}`, recording: (seconds) => `正在录音：${seconds} 秒`,
  noCamera: "没有相机，或者浏览器不能使用它。", noMicrophone: "没有麦克风，或者浏览器不能使用它。", insecure: "相机和麦克风需要 https，或者本机的页面。", unreadable: "这里读不了这个文件。",
  penDown: "落笔", penUp: "抬笔", penAt: (x, y) => `${x}，${y}`, cannotAsk: (noun) => `本页不能输入${noun}：请直接发给服务。`,
  nothing: { picture: "还没有画任何东西。", sound: "还没有声音。", sentence: "还没有写任何东西。", text: "还没有写任何东西。" }, nothingElse: "还没有可以回答的东西。",
  blank: { picture: "没有答案：图片只有一种颜色。", sound: "没有答案：这是静音。" }, blankElse: "没有答案：里面什么也没有。",
  allUnknown: "没有答案：模型不认识其中任何一个词。", allUnknownCharacters: "没有答案：模型不认识其中任何一个字。",
  unknown: (count, total, characters, cut) => `${cut ? "这个窗口的 " : ""}${total} 个${characters ? "字" : "词"}中有 ${count} 个是模型不认识的：`, lessTrust: "这个答案不太可信：", thinking: "……",
  gone: "服务器没有回应，正在重试……", retry: "重试", busy: "服务器正忙，正在重试……", token: "这个服务器需要令牌。", badToken: "这个令牌没有被接受。", noAnswer: "还没有答案。", enter: "进入", cannot: (why) => `无法读取：${why}`,
  windows: (n, of) => `它比网格长，被切成 ${of} 个窗口，答案取平均。这里显示第 ${n} 个。`, copies: "答案是原样（这里显示的）和翻转的平均。", leftOut: (what) => `太大，没有画出：${what}。`,
  convolution: (block, at) => `第 ${block} 块卷积 ${at}`, layersAria: "每一层的大小", sizes: { input: "输入", column: "一列", votes: "票" }, sizeOfBlock: (block) => `第 ${block} 块`, noModels: "服务器上没有模型。",
};

function laidOutByInChinese(kinds, entries) {
  if (!kinds.length) return `全连接层读最后的图；其中最后一层有 ${entries} 个神经元，就是这一列的数。`;
  if (kinds[0] === "cells") return `最后的图逐格排成一列，共 ${entries} 个数，每个数说明找到了什么、在哪一格。`;
  if (kinds.length > 2) return `最后的图变成一列，共 ${entries} 个数：每张图最大的一格说明有没有找到，各轴的一半和四分之一里最大的一格说明大约在哪里。`;
  const found = { largest: "最大的一格，说明有没有找到", mean: "各格的平均，说明总体上有多相符", share: "大于零的格的比例，说明找到得有多频繁" };
  return `最后的图变成一列，共 ${entries} 个数，每张图 ${kinds.length} 个：${kinds.map((kind) => found[kind]).join("；")}。`;
}

// What adapters say, in Chinese; what is not listed stays as it is.
const NOUNS = { picture: "图片", sound: "声音", sentence: "句子", text: "文本", series: "序列", row: "行", item: "样本" };
const SAID = [
  [/^it has no words$/, "里面没有词"], [/^it has no characters$/, "里面没有字"],
  [/^none of its (word|character)s is known to the model$/, (_, unit) => `模型不认识其中任何一个${tokenOf(unit)}`], [/^most of its (word|character)s are unknown to the model$/, (_, unit) => `模型不认识其中大多数${tokenOf(unit)}`],
  [/^it is silent$/, "它是静音"], [/^it is of one colour$/, "它只有一种颜色"], [/^it is much smaller than the pictures in training$/, "它比训练时的图片小得多"],
  [/^its proportions are unlike those in training$/, "它的长宽比与训练时的不同"], [/^it is clipped: too loud for its format$/, "它太响，被削顶了"],
  [/^it is much shorter than the window of ([\d.]+) s$/, "它比 $1 秒的窗口短得多"], [/^recorded at ([\d,]+) Hz: .*$/, "它的采样率只有 $1 Hz，模型要听的高音它没有"],
  [/^much of its energy lies above ([\d,]+) Hz, .*$/, "它的大部分能量高于 $1 Hz，模型听不到"], [/^only its first page or frame is read$/, "只读第一页或第一帧"],
  [/^a number lies far outside the range of the training items$/, "有一个数远在训练数据的范围之外"],
  [/^(\d+) × (\d+) pixels(, in red, green and blue)?: this is all the network sees\.$/, "$1 × $2 像素：网络看到的只有这些。"],
  [/^Every (word|character) is a list of (\d+) numbers that the network learned\.(?: Beside these stand (\d+) more, .*? told\.)? Underlined.*$/, (_, unit, count, more) => `每个${tokenOf(unit)}是网络学到的 ${count} 个数。${more ? `另有 ${more} 个数是统计来的：它（连同后面的）在训练文本中对每一类的支持。` : ""}有点状下划线的${tokenOf(unit)}，它不认识。`],
  [/^([\d ×]+) cells(?: of (\d+) channels)?( in a row)?(?:, drawn as the mean of the channels)?, (standardised|as the network sees them)\./, (_, sizes, channels, row, how) =>
    `${sizes} ${row ? "格排成一行" : "格"}${channels ? `，${channels} 个通道` : ""}${channels && !row ? "，画出的是各通道的平均" : ""}，${how === "standardised" ? "经过标准化" : "网络看到的就是它"}。`],
  [/ The network sees (?:each channel|them) twice: .*? at any level( \(dashed\))?\./, (_, dashed) => `网络看它两次：一次用训练数据的均值和标准差，保留大小；一次用它自己的，任何大小都看得出形状${dashed ? "（虚线）" : ""}。`],
  [/^A sound as a picture: .*$/, "把声音画成图：时间向右，音高向上，亮处响。按播放，看线走到哪里。"],
];

const tokenOf = (unit) => (unit === "word" ? "词" : "字");

export const LANGUAGES = { en: "English", zh: "中文" };
let language = "en";
export const languageNow = () => language;
export function speak(name) {
  language = name in LANGUAGES ? name : "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
}
export const t = (key, ...values) => {
  const found = (language === "zh" ? CHINESE : ENGLISH)[key] ?? ENGLISH[key];
  return typeof found === "function" ? found(...values) : found;
};
export const nounOf = (noun) => (language === "zh" ? NOUNS[noun] || noun : noun);
export const title = (text) => t("titles")[text] || text;
export function said(sentence) {
  return language === "zh" ? SAID.reduce((text, [pattern, chinese]) => text.replace(pattern, chinese), sentence) : sentence;
}
