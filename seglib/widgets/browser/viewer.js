// The widget: state lives in the model, everything else is drawn from it.

const VIEWS = [
  ["prediction", "Prediction", "What the model says (P)"],
  ["truth", "Truth", "What the annotators say (T)"],
  ["swipe", "Swipe", "Both, with a divider to drag (S)"],
  ["errors", "Errors", "Where the model is wrong (E)"],
];
const DRAWINGS = [["fill", "Fill", "Coloured areas (F)"], ["outline", "Outline", "Outlines only (O)"]];
// CSS pixels, as in viewer.css.
const HIGHEST = 620; // of the picture: a portrait photograph should not fill the notebook
const LEGEND = 280, GAP = 16, PADDING = 13;
const LEAST_BESIDE = 800; // room that the picture needs to have the legend beside it
const LEAST_WIDTH = 860; // room that the controls need

// Call `changed` whenever a pixel of the page gets another number of pixels of the screen, as when
// the window is moved to another one; returns a function that ends it.
function followRatio(changed) {
  let query = null;
  const listen = () => {
    query?.removeEventListener("change", follow);
    query = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    query.addEventListener("change", follow);
  };
  const follow = () => { listen(); changed(); };
  listen();
  return () => query.removeEventListener("change", follow);
}

function render({ model, el }) {
  const root = element("div.viewer");
  const canvas = element("canvas.canvas", { tabindex: "0", role: "img" });
  const picture = new Picture(canvas);
  const store = new SceneStore(() => model.get("_scenes"));
  let scene = null; // the unpacked scene on the canvas
  let pointer = null; // the last position over the canvas, in buffer pixels
  let closed = false, waiting = false, request = 0, worstRank = -1;

  const get = (name) => model.get(name);
  const set = (name, value, save = true) => {
    model.set(name, value);
    if (save) model.save_changes();
  };

  // --- scenes ---------------------------------------------------------------------------------

  async function load() {
    const ticket = ++request;
    const packed = get("_scenes");
    if (!packed.length) return;
    const position = Math.min(Math.max(get("scene"), 0), packed.length - 1);
    root.dataset.state = "loading";
    let ready;
    try {
      ready = await store.unpack(position);
    } catch (problem) {
      if (ticket === request) fail(`This scene cannot be shown: ${problem.message}`);
      return;
    }
    if (closed || ticket !== request) return; // the reader has already gone on
    scene = { ...ready, position };
    picture.setScene(scene);
    pointer = null;
    message.hidden = true;
    fit();
    refresh();
    root.dataset.scene = String(position);
    root.dataset.state = "ready";
    if (packed.length > 1) store.unpack((position + 1) % packed.length).catch(() => {});
  }

  function fail(text) {
    message.textContent = text;
    message.hidden = false;
    root.dataset.state = "failed";
  }

  function go(position) {
    const count = get("_scenes").length;
    set("scene", ((position % count) + count) % count);
  }

  function random() {
    const count = get("_scenes").length;
    if (count > 1) go(get("scene") + 1 + Math.floor(Math.random() * (count - 1)));
  }

  function worst() {
    const ranked = store.ranking(modelIndex());
    if (!ranked.length) return;
    const here = worstRank >= 0 && ranked[worstRank] === get("scene");
    worstRank = here ? (worstRank + 1) % ranked.length : 0;
    go(ranked[worstRank]);
  }

  // --- what is shown --------------------------------------------------------------------------

  const modelIndex = () => Math.max(0, get("_models").indexOf(get("model")));
  const predicted = () => scene?.models[modelIndex()] ?? null;
  const hidden = () => new Set(get("hidden"));

  function available() {
    const { truth } = scene, prediction = predicted();
    return [
      prediction && "prediction", truth && "truth", (truth || prediction) && "swipe",
      truth && prediction && "errors",
    ].filter(Boolean);
  }

  function currentView() {
    const views = available();
    return views.includes(get("view")) ? get("view") : views[0] ?? "photo";
  }

  // What is drawn over the photograph: of the scene as it is shown, or of other maps of it.
  function sides(truth = scene.truth, prediction = predicted()?.map ?? null) {
    const off = hidden();
    const colors = get("_classes").map(({ color }) => color);
    const side = (key, map) =>
      map && { key, map, table: () => pixelTable(colors, off), numbers: true };
    const left = side("truth", truth), right = side(`model ${modelIndex()}`, prediction);
    switch (currentView()) {
      case "truth": return [left];
      case "prediction": return [right];
      case "swipe": return left && right ? [left, right] : [null, left ?? right];
      case "errors": {
        const key = `errors ${modelIndex()}`;
        if (errors.key !== key || errors.truth !== truth) {
          Object.assign(errors, { key, truth, map: errorMap(truth, prediction, off) });
        }
        return [{
          key, map: errors.map, numbers: false, strength: 1.6, // they must be seen
          table: () => pixelTable(ERROR_COLORS, new Set(get("drawing") === "fill" ? [] : [RIGHT])),
        }];
      }
      default: return [null];
    }
  }
  const errors = {};

  const style = () => Object.fromEntries(
    ["drawing", "opacity", "divider", "numbers"].map((name) => [name, get(name)]));

  function draw() {
    waiting = false;
    if (closed || !scene) return;
    const begin = performance.now();
    picture.draw({ sides: sides(), ...style() });
    const milliseconds = performance.now() - begin;
    root.dataset.redrawMs = milliseconds.toFixed(2); // read by the browser test
    root.dispatchEvent(new CustomEvent("seglib-draw", { detail: { milliseconds } }));
  }

  function redraw() {
    if (waiting || !scene) return;
    waiting = true;
    requestAnimationFrame(draw);
  }

  // The picture as large as fits, the legend beside it where there is room for both.
  function fit() {
    if (!scene || !root.clientWidth) return; // not on the page yet; the observer will call again
    const aspect = scene.width / scene.height;
    const room = root.parentElement.clientWidth - 2 * PADDING;
    const beside = room >= LEAST_BESIDE;
    const width = Math.floor(Math.min(beside ? room - LEGEND - GAP : room, HIGHEST * aspect));
    root.dataset.layout = beside ? "beside" : room >= 2 * LEGEND ? "below" : "narrow";
    root.style.maxWidth = beside
      ? `${Math.max(width + GAP + LEGEND, LEAST_WIDTH) + 2 * PADDING}px` : "none";
    stage.style.width = `${width}px`;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${width / aspect}px`;
    if (picture.resize(width, width / aspect)) draw(); // at once: resizing has emptied the canvas
  }

  // Bring controls and legend up to date, then draw.
  function refresh() {
    if (!scene) return;
    const view = currentView(), prediction = predicted(), { truth } = scene;
    const count = get("_scenes").length;
    scenes.show(scene.position);
    counter.textContent = count > 1 ? `${scene.position + 1} / ${count}` : scene.name;
    for (const node of [previous, next, shuffle, scenes.node]) node.hidden = count < 2;
    lowest.hidden = count < 2 || !store.ranking(modelIndex()).length;
    models.show(modelIndex());
    views.show(view, available());
    drawings.show(get("drawing"));
    numbers.setAttribute("aria-pressed", String(get("numbers")));
    showOpacity();
    const miou = prediction?.miou ?? null;
    score.hidden = miou === null;
    score.textContent = `mIoU ${percent(miou)} %`;
    const maps = [
      truth && { map: truth, title: prediction ? "truth" : "share" },
      prediction && { map: prediction.map, title: truth ? "pred." : "share" },
    ].filter(Boolean);
    legend.show({ maps, iou: miou === null ? null : prediction.iou, hidden: hidden(), truth });
    for (const node of [leftTitle, rightTitle]) node.hidden = view !== "swipe";
    leftTitle.textContent = truth && prediction ? "truth" : "photograph";
    rightTitle.textContent = prediction ? get("model") || "prediction" : "truth";
    errorKey.hidden = view !== "errors";
    missing.hidden = Boolean(prediction) || !get("_models").length;
    canvas.setAttribute("aria-label", `${scene.name}, ${view}`);
    hover();
    redraw();
  }

  function showOpacity() {
    const value = Math.round(100 * get("opacity"));
    if (Number(opacity.value) !== value) opacity.value = value;
    opacity.style.setProperty("--seglib-done", `${value}%`);
    opacityText.textContent = `${value} %`;
  }

  // --- the class under the pointer ------------------------------------------------------------

  function hover() {
    const pixel = scene && pointer && picture.pixelAt(pointer.x, pointer.y);
    readout.replaceChildren();
    if (!pixel) {
      legend.point(null);
      readout.append(element("span.hint", {}, "Point at the picture to read its classes"));
      return;
    }
    const at = pixel.y * scene.width + pixel.x;
    const prediction = predicted();
    const truth = scene.truth?.labels[at], label = prediction?.map.labels[at];
    if (truth !== undefined) readout.append(entry("truth", truth));
    if (label !== undefined) readout.append(entry("prediction", label));
    if (prediction?.confidence) {
      readout.append(element("span.fact", { "data-fact": "confidence" },
        element("span.term", {}, "confidence"), `${prediction.confidence[at]} %`));
    }
    if (truth !== undefined && label !== undefined && truth !== VOID) {
      const right = truth === label;
      readout.append(element("span.verdict", {}, right ? "✓ right" : "✗ wrong"));
    }
    legend.point(label ?? truth);
  }

  function entry(term, label) {
    const known = get("_classes")[label];
    return element("span.fact", { "data-fact": term }, element("span.term", {}, term),
      known ? swatch(known.color, String(label)) : null,
      element("span.what", {}, known ? known.name : "void"));
  }

  // --- actions --------------------------------------------------------------------------------

  function toggle(label) {
    const off = hidden();
    if (!off.delete(label)) off.add(label);
    set("hidden", [...off].sort((a, b) => a - b));
  }

  const everyClass = () => get("_classes").map((_, label) => label);
  const toggleAll = () => set("hidden", get("hidden").length ? [] : everyClass());

  function solo(label) {
    const others = everyClass().filter((other) => other !== label);
    const already = get("hidden").length === others.length && !get("hidden").includes(label);
    set("hidden", already ? [] : others);
  }

  function nextModel() {
    const names = get("_models");
    if (names.length) set("model", names[(modelIndex() + 1) % names.length]);
  }

  function move(name, step) {
    set(name, Math.min(1, Math.max(0, Math.round(100 * (get(name) + step)) / 100)));
  }

  function zoom(factor, x, y) {
    if (!scene) return;
    factor === null ? picture.reset() : picture.zoomBy(factor, x, y);
    root.dataset.zoom = picture.zoom.toFixed(2);
    zoomText.textContent = `${Math.round(100 * picture.zoom)} %`;
    canvas.classList.toggle("seglib-movable", picture.zoom > 1);
    hover();
    redraw();
  }

  // The whole scene at its own size with title and legend, and beside it the mask of label ids.
  async function save() {
    if (!scene) return;
    const shown = scene, view = currentView(), { truth } = shown, labels = predicted()?.map ?? null;
    const name = get("model"), miou = predicted()?.miou ?? null;
    say("Saving …");
    const own = await atOwnSize(model, shown, name);
    if (closed || scene !== shown) return;
    const full = own && own !== shown ? own : { ...shown, truth, labels };
    const large = new Picture(document.createElement("canvas"));
    large.setScene(full);
    const ratio = Math.max(1, full.width / 1000); // of lines and numbers
    large.resize(full.width / ratio, full.height / ratio, ratio);
    large.draw({ sides: sides(full.truth, full.labels), ...style() });
    const whose = view === "truth" ? ["truth"]
      : view === "swipe" ? [`${leftTitle.textContent} left, ${rightTitle.textContent} right`]
      : [name, view === "prediction" ? "" : view];
    const title = [shown.name, ...whose, view !== "truth" && miou !== null && `mIoU ${percent(miou)} %`];
    const map = (view === "truth" ? full.truth : full.labels) ?? full.truth;
    const entries = view === "errors"
      ? [{ color: ERROR_COLORS[RIGHT], text: "right" }, { color: ERROR_COLORS[WRONG], text: "wrong" }]
      : get("_classes").map(({ color, name: text }, label) => ({ color, text, label })).filter(({ label }) =>
        !hidden().has(label) && [map, view === "swipe" ? full.truth : null].some((each) => each?.counts[label]));
    const page = withLegend(large.canvas, title.filter(Boolean).join(" · "), entries);
    const stem = [shown.name, name, view].filter(Boolean).join("-");
    download(root, await new Promise((resolve) => page.toBlob(resolve, "image/png")), `${stem}.png`);
    if (map) {
      const ids = get("_classes").map(({ id }) => id);
      const values = map.labels.map((label) => ids[label] ?? 0); // void is "unlabeled"
      const kind = map === full.truth ? "truth" : name;
      const mask = await grayPng(values, full.width, full.height);
      download(root, mask, `${[shown.name, kind].filter(Boolean).join("-")}_labelIds.png`);
    }
    say(`Saved at ${full.width}×${full.height}${own ? "" : "; for its own size the kernel is needed"}`);
  }

  // A line below the picture, until the pointer reads the next pixel.
  function say(text) {
    readout.replaceChildren(element("span.hint", { role: "status" }, text));
  }

  const actions = {
    ArrowLeft: () => go(get("scene") - 1), ArrowRight: () => go(get("scene") + 1),
    r: random, w: worst, m: nextModel, a: toggleAll, d: save,
    p: () => set("view", "prediction"), t: () => set("view", "truth"),
    s: () => set("view", "swipe"), e: () => set("view", "errors"),
    f: () => set("drawing", "fill"), o: () => set("drawing", "outline"),
    n: () => set("numbers", !get("numbers")),
    "[": () => move("opacity", -0.05), "]": () => move("opacity", 0.05),
    ",": () => move("divider", -0.02), ".": () => move("divider", 0.02),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => zoom(null),
    "?": () => { help.hidden = !help.hidden; },
  };

  function pan(x, y) {
    if (!scene || picture.zoom === 1) return;
    picture.panBy(x, y);
    redraw();
  }

  const endKeys = listenToKeys(root, actions, (x, y) => pan(x * canvas.width * 0.1, y * canvas.height * 0.1));
  listenToPointer(canvas, {
    grabs: (x) => scene && currentView() === "swipe"
      && Math.abs(x - get("divider") * canvas.width) < 18 * picture.ratio,
    moveDivider: (x) => set("divider", Math.min(1, Math.max(0, x / canvas.width)), false),
    dropDivider: () => model.save_changes(),
    point: (place) => { pointer = place; hover(); },
    pan, zoom,
  });

  // --- the page -------------------------------------------------------------------------------

  const scenes = menu("Scene", "scene", go);
  const counter = element("span.counter");
  const previous = iconButton("previous", "Previous scene (←)", () => go(get("scene") - 1));
  const next = iconButton("next", "Next scene (→)", () => go(get("scene") + 1));
  const shuffle = iconButton("random", "Random scene (R)", random);
  const lowest = iconButton("worst", "Worst scene of this model, then the next worst (W)", worst);
  const models = menu("Model", "model", (position) => set("model", get("_models")[position]));
  const modelBox = element("label.field", {}, element("span.term", {}, "Model"), models.node);
  const score = element("span.score", { "data-fact": "score", title: "Mean IoU of this scene" });
  const views = choice("What to show", VIEWS, (value) => set("view", value));
  const drawings = choice("How to draw classes", DRAWINGS, (value) => set("drawing", value));
  const opacity = element("input.slider", {
    type: "range", min: 0, max: 100, step: 1, "aria-label": "Opacity", "data-control": "opacity",
    oninput: () => set("opacity", opacity.value / 100, false), // no message while it moves
    onchange: () => model.save_changes(),
  });
  const opacityText = element("span.value");
  const numbers = element("button.toggle", {
    type: "button", title: "Write class numbers on the picture (N)", "data-control": "numbers",
    onclick: () => set("numbers", !get("numbers")),
  }, "Numbers");
  const zoomText = element("button.link.value", {
    type: "button", title: "Fit (0)", "data-control": "fit", onclick: () => zoom(null),
  }, "100 %");
  const help = helpPanel();
  const legend = new Legend(get("_classes"), { ontoggle: toggle, onsolo: solo, onall: toggleAll });
  const leftTitle = element("span.title.left", { hidden: true });
  const rightTitle = element("span.title.right", { hidden: true });
  const errorKey = element("span.title.left.errors", { hidden: true },
    swatch(ERROR_COLORS[RIGHT], "✓"), "right", swatch(ERROR_COLORS[WRONG], "✗"), "wrong");
  const missing = element("span.title.right", { hidden: true }, "no prediction of this model kept");
  const message = element("div.message", { role: "status" }, "No photograph yet");
  const readout = element("div.readout", { "data-part": "readout" });
  const frame = element("div.frame", {}, canvas, leftTitle, rightTitle, errorKey, missing);
  const stage = element("div.stage", {}, frame, message, readout);
  root.append(
    element("div.bar", {},
      element("div.group", {}, previous, next, scenes.node, counter, shuffle, lowest),
      element("div.group.end", {}, score, modelBox)),
    element("div.bar", {},
      element("div.group", {}, views.node, drawings.node),
      element("label.field", {}, element("span.term", {}, "Opacity"), opacity, opacityText),
      element("div.group.end", {}, numbers,
        iconButton("less", "Zoom out (−)", () => zoom(1 / 1.5)), zoomText,
        iconButton("more", "Zoom in (+)", () => zoom(1.5)),
        iconButton("save", "Download picture with legend, and mask of label ids (D)", save),
        iconButton("help", "Keys (?)", actions["?"]))),
    help,
    element("div.body", {}, stage, legend.node));
  el.append(root);

  // --- following the model --------------------------------------------------------------------

  function replaceScenes() {
    store.clear();
    worstRank = -1;
    scenes.setTexts(get("_scenes").map(({ name }) => name));
    models.setTexts(get("_models"));
    modelBox.hidden = get("_models").length < 2;
    legend.node.hidden = get("_scenes").length === 0;
    load();
  }

  function forget() { // painted layers depend on the classes that are on
    picture.layers.clear();
    errors.key = null;
    refresh();
  }

  const listeners = {
    "change:_scenes": replaceScenes, "change:scene": () => { zoom(null); load(); },
    "change:hidden": forget, "change:model": refresh, "change:view": refresh,
    "change:drawing": refresh, "change:numbers": refresh, "change:divider": redraw,
    "change:opacity": () => { showOpacity(); redraw(); },
  };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  const observer = new ResizeObserver(fit);
  observer.observe(el);
  const endRatio = followRatio(fit);
  const showStill = hideStill(get("_still"));
  hover();
  replaceScenes();

  return () => {
    closed = true;
    endKeys();
    endRatio();
    showStill();
    observer.disconnect();
    for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
  };
}

export default { render };
