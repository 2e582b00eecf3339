// What can be drawn over a photograph. A layer is {id, map, by, values}: labels of `map` are classes,
// or with `values` positions in that list of meanings; `by` tells to which class a pixel belongs.

// Apart for colour-blind readers and in grey (Paul Tol's high contrast); red is that of the figures.
const PALE = [222, 226, 230, 130], RED = [187, 35, 60];
const BLUE = [0, 68, 136], GOLD = [221, 170, 51], ROSE = [187, 85, 102];

const meaning = (sign, text, color) => ({ sign, text, color });
const ERRORS = [meaning("✓", "right", PALE), meaning("✗", "wrong", RED)];
const KINDS = [meaning("✓", "found", PALE), meaning("−", "missed", BLUE), meaning("+", "false", GOLD)];
const COMPARISON = [
  meaning("✓", "both right", PALE), meaning("A", "only A right", BLUE),
  meaning("B", "only B right", GOLD), meaning("✗", "both wrong", ROSE),
];
// By whole percent: what is unsure glows, what is sure only darkens the photograph.
const STOPS = [
  [40, [252, 255, 164, 255]], [60, [249, 142, 9, 255]], [80, [188, 55, 84, 230]],
  [95, [87, 16, 110, 190]], [100, [20, 11, 53, 150]],
];
const HEAT = Array.from({ length: 101 }, (_, percent) => {
  const next = Math.max(1, STOPS.findIndex(([stop]) => stop >= percent));
  const [from, low] = STOPS[next - 1], [to, high] = STOPS[next];
  const share = Math.max(0, (percent - from) / (to - from));
  const told = STOPS.some(([stop]) => stop === percent);
  const text = told ? `${percent === 40 ? "≤ " : ""}${percent} %` : "";
  return meaning("", text, low.map((part, place) => part + share * (high[place] - part)));
});

// A map of the scored pixels: what `value` makes of a pixel's true label and position.
function scored({ truth, off }, values, value) {
  const labels = truth.labels.map((label, i) => (label === VOID || off.has(label) ? VOID : value(label, i)));
  return { map: new LabelMap(labels, truth.width, truth.height), by: truth, values };
}

// `from`: {truth, a, b, off, chosen, layers}: a scene's true map, two models' entries, the classes that
// are off, the one that errors are told of (null for all), and the layers made before.
const VIEWS = {
  prediction: {
    text: "Prediction", title: "What the network says (P)",
    can: ({ a }) => a, layer: ({ a }) => ({ map: a.map }),
  },
  truth: {
    text: "Truth", title: "What the annotators say (T)",
    can: ({ truth }) => truth, layer: ({ truth }) => ({ map: truth }),
  },
  errors: {
    text: "Errors", title: "Where the network is wrong; of one class, what is missed and what false (E)",
    can: ({ truth, a }) => truth && a,
    layer(from) {
      const { a: { map: { labels } }, chosen } = from;
      if (chosen === null) return scored(from, ERRORS, (label, i) => Number(label !== labels[i]));
      return scored(from, KINDS, (label, i) =>
        (label === chosen ? Number(labels[i] !== chosen) : labels[i] === chosen ? 2 : VOID));
    },
  },
  confidence: {
    text: "Confidence", title: "How sure the network is of each pixel (C)",
    can: ({ a }) => a?.confidence,
    layer: ({ a }) => ({ map: a.confidence, by: a.map, values: HEAT }),
  },
  comparison: {
    text: "A against B", title: "Where only one of two networks is right (B)",
    can: ({ truth, a, b }) => truth && a && b,
    layer(from) {
      const first = from.a.map.labels, second = from.b.map.labels;
      return scored(from, COMPARISON, (label, i) => 2 * Number(label !== first[i]) + Number(label !== second[i]));
    },
  },
};

// A view's layer of a scene, kept in its `layers` as long as the same classes are off, or null.
function layerOf(view, from) {
  if (!VIEWS[view]?.can(from)) return null;
  const { a, b, chosen, layers, off } = from, classes = [...off].join();
  if (layers.classes !== classes) layers.clear();
  layers.classes = classes;
  const id = [view, view !== "truth" && a.index, view === "comparison" && b.index,
    view === "errors" && chosen, classes].join(" ");
  if (!layers.has(id)) {
    const title = { prediction: a?.name, truth: "truth", comparison: `${a?.name} (A) against ${b?.name} (B)` };
    layers.set(id, { id, title: title[view] ?? `${a.name}: ${view}`, ...VIEWS[view].layer(from) });
  }
  return layers.get(id);
}

// What stands side by side: a view of two networks, or what it is held against and the view.
function pairOf(view, from) {
  const own = layerOf(view, from);
  if (from.b && own && !["truth", "comparison"].includes(view)) return [own, layerOf(view, { ...from, a: from.b })];
  return [view === "truth" ? null : layerOf("truth", from), own];
}

const layersIn = (single, view, from) => (single ? [layerOf(view, from)] : pairOf(view, from));

// The colours of a layer; what is right is not outlined.
function paletteOf({ values }, classes, off, drawing) {
  if (!values) return classes.map(({ color }, label) => (off.has(label) ? null : color));
  return values.map(({ color }) => (drawing === "outline" && color === PALE ? null : color));
}

// The meanings of the colours in layers: of values, and of the classes that are on and occur.
function meaningsIn(layers, classes, off) {
  const drawn = layers.filter(Boolean), maps = drawn.filter(({ values }) => !values).map(({ map }) => map);
  return [
    ...(drawn.find(({ values }) => values)?.values.filter(({ text }) => text) ?? []),
    ...classes.map(({ color, name }) => meaning("", name, color))
      .filter((_, label) => !off.has(label) && maps.some(({ counts }) => counts[label])),
  ];
}

// The share of a value in each of the layers, in percent; none of a heat map's.
function sharesOf(value, layers) {
  if (layers[0].values === HEAT) return "";
  const shares = layers.map(({ map: { counts, labels } }) => counts[value] / (labels.length - counts[VOID] || 1));
  return `${shares.map((share) => percent(share)).join(" | ")} %`;
}

// How a scene's pixels of a class are mistaken, in words, from its confusion matrix.
function mistakes(confusion, classes, chosen) {
  const line = (kind, what, how, count) => {
    const found = classes.map(({ name }, label) => [name, count(label)]);
    const [[, hits]] = found.splice(chosen, 1);
    const sum = found.reduce((total, [, pixels]) => total + pixels, 0);
    const most = found.filter(([, pixels]) => pixels).sort((x, y) => y[1] - x[1]).slice(0, 3);
    const names = most.map(([name, pixels]) => `${name} ${percent(pixels / sum, 0)} %`).join(", ");
    return sum ? `${kind} ${percent(sum / (sum + hits))} % of ${what}: ${how} ${names}` : `${kind} none of ${what}`;
  };
  const { name } = classes[chosen], at = (truth, label) => confusion[truth * classes.length + label];
  return [
    line("missed", name, "taken for", (label) => at(chosen, label)),
    line("false", `what is called ${name}`, "in truth", (label) => at(label, chosen)),
  ];
}
