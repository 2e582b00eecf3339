// The widget: state lives in the model, everything else is drawn from it.

const ARRANGEMENTS = [
  ["single", "One", "One picture (S)"],
  ["swipe", "Swipe", "Two in one, with a divider to drag (S)"],
  ["two", "Two", "Two pictures under one zoom (S)"],
];
const DRAWINGS = [["fill", "Fill", "Coloured areas (O)"], ["outline", "Outline", "Outlines only (O)"]];
// CSS pixels, as in viewer.css.
const HIGHEST = 620; // of a picture: a portrait photograph should not fill the notebook
const LEGEND = 280, GAP = 16, PADDING = 13;
const LEAST_BESIDE = 800; // room that the picture needs to have the legend beside it
const LEAST_WIDTH = 860; // room that the controls need
const CARD = 240; // width of a scene in the overview

// Call `changed` whenever a pixel of the page gets another number of pixels of the screen, as when
// the window is moved to another one.
function followRatio(changed, signal) {
  window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener("change", () => {
    followRatio(changed, signal);
    changed();
  }, { once: true, signal });
}

function render({ model, el }) {
  const root = element("div.viewer");
  const canvas = element("canvas.canvas", { tabindex: "0", role: "img" });
  const ending = new AbortController(), { signal } = ending;
  const picture = new Picture(canvas);
  const get = (name) => model.get(name);
  const set = (name, value, save = true) => {
    model.set(name, value);
    if (save) model.save_changes();
  };
  const store = sceneStore(() => get("_scenes"), () => get("_models"));
  let scene = null; // the unpacked scene on the canvas
  let pointer = null; // the last position over the canvas, in buffer pixels
  let lit = null; // the class that the legend points at
  let bare = false; // while the reader holds a key
  let where = ""; // "truth" or "prediction": only scenes that have the chosen class there
  let order = []; // the scenes of the overview
  let waiting = false, request = 0, sorting = 0;
  let excuse = ""; // why the scene before is still shown

  // --- scenes ---------------------------------------------------------------------------------

  async function load() {
    const ticket = ++request, count = get("_scenes").length;
    const position = Math.min(Math.max(get("scene"), 0), count - 1);
    root.dataset.state = "loading";
    const ready = await store.unpack(position).catch((problem) => ({ problem }));
    if (signal.aborted || ticket !== request) return; // the reader has already gone on
    if (ready.problem) {
      excuse = `${get("_scenes")[position].name} cannot be shown: ${ready.problem.message}`;
      return scene ? set("scene", scene.position) : say(excuse);
    }
    scene = { ...ready, position };
    picture.setScene(scene);
    pointer = null;
    zoom(null);
    refresh();
    root.dataset.scene = String(position);
    root.dataset.state = "ready";
    if (excuse) say(excuse);
    excuse = "";
    if (count > 1) store.unpack(neighbour(1)).catch(() => {});
  }

  // The scene so many places further in the overview's order.
  function neighbour(by) {
    const count = get("_scenes").length; // a filter that no scene fits is for the overview
    if (!order.length) return (get("scene") + by + count) % count;
    const here = order.findIndex(({ position }) => position === get("scene"));
    return order[(Math.max(here, by < 0 ? 0 : -1) + by + order.length) % order.length].position;
  }

  const go = (position) => set("scene", position);
  const step = (by) => (get("overview") ? overview.step(by) : go(neighbour(by)));
  const random = () => go(neighbour(1 + Math.floor(Math.random() * (order.length - 1))));

  async function worst() {
    if (!possible("miou")) return say("No scene has a score");
    set("sort", "miou");
    await sort();
    if (order.length) go(order[0].position);
  }

  // What scenes are ordered by.
  const given = () => ({
    a: modelIndex(), b: otherIndex(), chosen: chosen(), pair: get("pair"), classes: get("_classes"),
    scored: get("_scenes").some(({ models }) => (models[modelIndex()]?.miou ?? null) !== null),
  });
  const possible = (name) => SORTS[name].can?.(given()) !== false;
  const sorted = () => (possible(get("sort")) ? get("sort") : "name");

  async function sort() {
    const ticket = ++sorting;
    const found = await orderedScenes(store, sorted(), given(), chosen() === null ? "" : where);
    if (signal.aborted || ticket !== sorting) return;
    order = found;
    showOrder();
  }

  function showOrder() {
    const place = order.findIndex(({ position }) => position === scene?.position);
    counter.textContent = get("_scenes").length > 1 ? `${place + 1 || "–"} / ${order.length}` : scene?.name;
    if (get("overview")) overview.show(order, scene?.position);
  }

  async function drawCard(position, card, wanted) {
    const own = wanted() && await store.unpack(position).catch(() => null);
    if (!own || signal.aborted || !wanted()) return;
    const small = new Picture(card), from = contents(own);
    small.setScene(own);
    small.resize(CARD, (CARD * own.height) / own.width);
    small.draw({ ...style(), layers: [layerOf(currentView(from), from)], numbers: false, lit: null });
  }

  // --- what is shown --------------------------------------------------------------------------

  const modelIndex = () => Math.max(0, get("_models").indexOf(get("model")));
  const otherIndex = () => {
    const index = get("_models").indexOf(get("against"));
    return index < 0 || index === modelIndex() ? null : index;
  };
  const hidden = () => new Set(get("hidden"));
  const chosen = () => (get("_classes")[get("chosen")] ? get("chosen") : null);
  const isTwo = () => get("arrangement") === "two";
  // What there is to be drawn of a scene, as `VIEWS` take it.
  const contents = (of = scene) => ({
    truth: of.truth, a: of.models[modelIndex()] ?? null, b: of.models[otherIndex()] ?? null,
    off: hidden(), chosen: chosen(), layers: of.layers,
  });
  const currentView = (from = contents()) =>
    [get("view"), "prediction", "truth"].find((view) => VIEWS[view].can(from)) ?? "photograph";

  function layersOf(from) {
    const single = get("arrangement") === "single", view = currentView(from);
    if (bare) return single ? [null] : [null, null];
    return layersIn(single, view, from);
  }

  const style = (off = hidden()) => ({
    ...Object.fromEntries(["drawing", "opacity", "divider", "numbers", "brightness", "contrast"]
      .map((name) => [name, get(name)])),
    lit: off.has(lit) ? null : lit, palette: (layer, drawing) => paletteOf(layer, get("_classes"), off, drawing),
  });

  function draw() {
    waiting = false;
    if (signal.aborted || !scene) return;
    const begin = performance.now();
    picture.draw({ ...style(), layers: layersOf(contents()), at: pixelUnder() });
    const milliseconds = performance.now() - begin;
    root.dispatchEvent(new CustomEvent("seglib-draw", { detail: { milliseconds } })); // for tests
  }

  function redraw() {
    if (waiting || !scene) return;
    waiting = true;
    requestAnimationFrame(draw);
  }

  // The picture as large as fits, the legend beside it where there is room for both.
  function fit() {
    if (!scene || !root.clientWidth) return; // not on the page yet; the observer will call again
    const full = document.fullscreenElement === root, aspect = scene.width / scene.height;
    const room = (full ? root : root.parentElement).clientWidth - 2 * PADDING - 1; // it is rounded
    const beside = room >= LEAST_BESIDE;
    root.dataset.layout = beside ? "beside" : room >= 2 * LEGEND ? "below" : "narrow";
    const wide = beside ? room - LEGEND - GAP : room;
    const around = stage.offsetTop + stage.offsetHeight - canvas.offsetHeight + PADDING;
    const high = full ? Math.max(200, window.innerHeight - around) : HIGHEST * (isTwo() ? 1.2 : 1);
    // Two pictures stand beside or below each other, whichever shows more.
    const [each, columns, rows] = (isTwo() ? [[2, 1], [1, 2]] : [[1, 1]])
      .map(([across, down]) => [Math.min(wide / across, (high / down) * aspect), across, down])
      .reduce((best, next) => (next[0] > best[0] ? next : best));
    const width = Math.floor(each * columns), height = (width / columns / aspect) * rows;
    const widest = Math.max(LEAST_WIDTH, GAP + LEGEND + Math.max(width, Math.min(wide, HIGHEST * aspect)));
    root.style.maxWidth = beside && !full ? `${widest + 2 * PADDING}px` : "none";
    stage.style.width = canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    frame.dataset.pictures = columns === 2 ? "beside" : rows === 2 ? "below" : "one";
    const same = picture.columns === columns && picture.rows === rows;
    Object.assign(picture, { columns, rows });
    if (picture.resize(width, height) || !same) draw(); // at once: resizing has emptied the canvas
  }

  // Bring controls and legend up to date, then draw.
  function refresh() {
    if (!scene) return;
    const from = contents(), view = currentView(from), { a, b } = from, layers = layersOf(from);
    const names = get("_models"), many = get("overview");
    scenes.show(scene.position);
    for (const node of [previous, next, scenes.node, all]) node.hidden = get("_scenes").length < 2;
    models.show(modelIndex());
    others.show((otherIndex() ?? -1) + 1);
    views.show(view, Object.keys(VIEWS).filter((name) => VIEWS[name].can(from)
      || (name === "comparison" && from.truth && names.length > 1)));
    arrangements.show(get("arrangement"));
    drawings.show(get("drawing"));
    numbers.setAttribute("aria-pressed", String(get("numbers")));
    all.setAttribute("aria-pressed", String(many));
    for (const [name, { show }] of Object.entries(sliders)) show(get(name));
    score.textContent = miouText([a, b]);
    [leftTitle, rightTitle].forEach((node, side) => {
      node.hidden = layers.length === 1;
      node.textContent = layers[side]?.title ?? "photograph";
    });
    legend.show(legendColumns(from), from);
    showKey(layers, from);
    classOfErrors.hidden = view !== "errors";
    missing.hidden = Boolean(a) || !names.length;
    canvas.setAttribute("aria-label", [scene.name, ...layers.map((layer) => layer?.title)].join(", "));
    overview.node.hidden = !many;
    for (const node of [body, arrangements.node, numbers, saveButton, ...ofOne]) node.hidden = many;
    showOrder();
    fit();
    hover();
    redraw();
  }

  // What the colours of a map mean, with their shares, and how the chosen class is mistaken.
  function showKey(layers, { a, b, chosen: label }) {
    const valued = layers.filter((layer) => layer?.values), known = get("_classes");
    const facts = (valued[0]?.values ?? []).map(({ sign, text, color }, value) => text
      && element("span.fact", { "data-key": text, title: "Share of the pixels in these colours" },
        swatch(color, sign), text, element("span.what", {}, sharesOf(value, valued))));
    const told = valued[0]?.values === KINDS ? [a, ...(valued[1] && b ? [b] : [])] : [];
    const lines = told.filter(({ confusion }) => confusion).map(({ name, confusion }) =>
      element("p.mistakes", {}, `${b ? `${name}: ` : ""}${mistakes(confusion, known, label).join("; ")}`));
    key.replaceChildren(...facts.filter(Boolean), ...lines);
  }

  // --- the class under the pointer ------------------------------------------------------------

  const pixelUnder = () => scene && pointer && picture.pixelAt(pointer.x, pointer.y);
  function hover() {
    const pixel = pixelUnder();
    if (!pixel) {
      legend.point(lit);
      return hint("Point at the picture to read its classes");
    }
    const at = pixel.y * scene.width + pixel.x, { truth, a, b } = contents();
    const right = truth?.labels[at], facts = truth ? [entry("truth", "truth", right)] : [];
    for (const [name, found] of [["prediction", a], ["against", b]]) {
      if (!found) continue;
      const label = found.map.labels[at], sure = found.confidence?.labels[at];
      facts.push(entry(name, b ? found.name : "prediction", label));
      if (sure !== undefined) {
        facts.push(element("span.fact", { "data-fact": name === "against" ? "sure" : "confidence" },
          element("span.term", {}, "confidence"), `${sure} %`));
      }
      if (truth && right !== VOID) {
        facts.push(element("span.verdict", {}, right === label ? "✓ right" : "✗ wrong"));
      }
    }
    readout.replaceChildren(...facts);
    const layers = layersOf(contents());
    const layer = layers[layers.length - 1 && picture.sideOf(pointer.x, pointer.y, get("divider"))];
    legend.point((layer?.by ?? layer?.map ?? a?.map ?? truth)?.labels[at]);
  }

  function entry(name, term, label) {
    const known = get("_classes")[label];
    return element("span.fact", { "data-fact": name }, element("span.term", {}, term),
      known ? swatch(known.color, String(label)) : null,
      element("span.what", {}, known ? known.name : "void"));
  }

  const hint = (text) => readout.replaceChildren(element("span.hint", {}, text));

  // A line below the picture, until the pointer reads the next pixel; screen readers read it out.
  function say(text) {
    hint(text);
    status.textContent = text;
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
    set("hidden", String(others) === String(get("hidden")) ? [] : others);
  }

  const after = (list, item) => list[(list.indexOf(item) + 1) % list.length];
  const anotherThan = (but) => get("_models").filter((name) => name !== but);

  function setView(view) {
    if (view === "comparison" && !anotherThan(get("model")).length) return;
    if (view === "comparison" && (otherIndex() === null || get("view") === view)) {
      set("against", after(anotherThan(get("model")), get("against"))); // asked for again: the next B
    }
    set("view", view);
  }

  function swap() {
    const [first, second] = [get("model"), get("against")];
    if (otherIndex() === null) return refresh(); // B is the truth: its menu says so again
    model.set("model", second);
    set("against", first);
  }

  // Errors of the class that the legend or the pointer is at; of all classes if they are shown already.
  function choose() {
    const pixel = pixelUnder(), { truth, a } = contents();
    const label = lit ?? (pixel && (truth ?? a?.map)?.labels[pixel.y * scene.width + pixel.x]);
    set("chosen", get("_classes")[label] && label !== get("chosen") ? label : -1);
    set("view", "errors");
  }

  const move = (name, by) => set(name, Math.min(1, Math.max(0, Math.round(100 * (get(name) + by)) / 100)));

  function zoom(factor, x, y) {
    if (!scene) return;
    factor === null ? picture.reset() : picture.zoomBy(factor, x, y);
    root.dataset.zoom = picture.zoom.toFixed(2);
    zoomText.textContent = `${Math.round(100 * picture.zoom)} %`;
    canvas.classList.toggle("seglib-movable", picture.zoom > 1);
    hover();
    redraw();
  }

  function pan(x, y) {
    if (!scene || picture.zoom === 1) return;
    picture.panBy(x, y);
    picture.settle();
    redraw();
  }

  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen()
    : root.requestFullscreen?.().catch(() => say("This page may not fill the screen")));

  function unfold(panel, button) {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    fit();
  }

  // The whole scene at its own size with title and legend, and beside it the mask of label ids.
  async function save() {
    if (!scene) return;
    const shown = scene, from = contents(), view = currentView(from), { a, b } = from, packed = get("_scenes");
    // What the reader sees now, whatever is chosen while the kernel answers.
    const drawn = { ...style(), lit: null }, two = isTwo(), single = get("arrangement") === "single";
    const { columns, rows } = picture;
    say("Saving …");
    const own = await atOwnSize(model, shown, [a, b]);
    if (signal.aborted) return;
    if (get("_scenes") !== packed) return say("This scene has been replaced: save it again");
    const whole = { ...shown, ...from, ...own };
    const mask = (view !== "truth" && whole.a?.map) || whole.truth;
    if (mask) {
      const ids = get("_classes").map(({ id }) => id);
      const values = mask.labels.map((label) => ids[label] ?? 0); // void is "unlabeled"
      const file = await grayPng(values, whole.width, whole.height);
      download(root, file, `${shown.name}-${mask === whole.truth ? "truth" : a.name}_labelIds.png`);
    }
    const layers = layersIn(single, view, whole);
    const large = new Picture(document.createElement("canvas"));
    large.setScene(whole);
    if (two) Object.assign(large, { columns, rows });
    const ratio = Math.max(1, whole.width / 1000); // of lines and numbers
    large.resize((large.columns * whole.width) / ratio, (large.rows * whole.height) / ratio, ratio);
    large.draw({ ...drawn, layers });
    if (own?.photo) own.photo.close();
    const titles = layers.map((layer) => layer?.title ?? "photograph").join(" | ");
    const scores = view === "truth" ? "" : miouText(layers.length === 2 ? [a, b] : [a]);
    const page = withLegend(large.canvas, [shown.name, titles, scores].filter(Boolean).join(" · "),
      meaningsIn(layers, get("_classes"), from.off));
    const picturePng = await new Promise((resolve) => page.toBlob(resolve, "image/png"));
    if (!picturePng) return say("The picture is too large for this browser: only the mask is saved");
    download(root, picturePng, `${[shown.name, a?.name, view].filter(Boolean).join("-")}.png`);
    say(`Saved at ${whole.width}×${whole.height}${own ? "" : "; for its own size the kernel is needed"}`);
  }

  const actions = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), r: random, w: worst, k: choose, x: swap,
    g: () => set("overview", !get("overview")), m: () => set("model", after(anotherThan(get("against")), get("model"))),
    p: () => setView("prediction"), t: () => setView("truth"), e: () => setView("errors"),
    c: () => setView("confidence"), b: () => setView("comparison"),
    s: () => set("arrangement", after(ARRANGEMENTS.map(([name]) => name), get("arrangement"))),
    o: () => set("drawing", get("drawing") === "fill" ? "outline" : "fill"),
    n: () => set("numbers", !get("numbers")), a: toggleAll, f: fullScreen,
    d: () => save().catch(({ message }) => say(`This scene cannot be saved: ${message}`)),
    "[": () => move("opacity", -0.05), "]": () => move("opacity", 0.05),
    ",": () => move("divider", -0.02), ".": () => move("divider", 0.02),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => zoom(null),
    l: () => unfold(light, lightButton), "?": () => unfold(help, helpButton),
  };
  const panByKey = (x, y) => pan(x * canvas.width * 0.1, y * canvas.height * 0.1);
  listenToKeys(root, signal, actions, panByKey, { h(down) { if (bare !== down) { bare = down; redraw(); } } });
  listenToPointer(canvas, {
    grabs: (x) => scene && get("arrangement") === "swipe"
      && Math.abs(x - get("divider") * canvas.width) < 18 * picture.ratio,
    moveDivider: (x) => set("divider", Math.min(1, Math.max(0, x / canvas.width)), false),
    dropDivider: () => model.save_changes(),
    point: (place) => { pointer = place; hover(); if (isTwo()) redraw(); },
    pan, zoom,
  });

  // --- the page -------------------------------------------------------------------------------

  const scenes = menu("Scene", "scene", go);
  const counter = element("span.counter");
  const previous = iconButton("previous", "Previous scene (←)", () => go(neighbour(-1)));
  const next = iconButton("next", "Next scene (→)", () => go(neighbour(1)));
  const all = iconButton("overview", "All scenes (G)", actions.g);
  const models = menu("Network", "model", (position) =>
    (position === otherIndex() ? swap() : set("model", get("_models")[position])));
  const others = menu("Compared with", "against", (position) =>
    (position - 1 === modelIndex() ? swap() : set("against", get("_models")[position - 1] ?? "")));
  const modelBox = element("div.group", {}, field("A", models.node),
    iconButton("swap", "Swap A and B (X)", swap), field("B", others.node));
  const score = element("span.score", { "data-fact": "score", title: "Mean IoU of this scene" });
  const views = choice("What to show",
    Object.entries(VIEWS).map(([name, { text, title }]) => [name, text, title]), setView);
  const arrangements = choice("How many pictures", ARRANGEMENTS, (value) => set("arrangement", value));
  const drawings = choice("How to draw", DRAWINGS, (value) => set("drawing", value));
  const classMenus = [0, 1].map(() => menu("Class", "class", (position) => set("chosen", position - 1)));
  const [classOfErrors, classOfScenes] = classMenus.map(({ node }) => field("Class", node));
  const sliders = Object.fromEntries(
    [["opacity", 0, 100], ["brightness", 20, 300], ["contrast", 20, 300]].map(([name, ...range]) => [name,
      slider(name, range, (value) => set(name, value, false), () => { model.save_changes(); showOrder(); })]));
  const light = element("div.bar", { hidden: true }, sliders.brightness.node, sliders.contrast.node,
    button("toggle", "neutral", "Brightness and contrast of 100 %", () => {
      model.set("brightness", 1);
      set("contrast", 1);
    }, "As it is"));
  const numbers = button("toggle", "numbers", "Write class numbers on the picture (N)", actions.n, "Numbers");
  const zoomText = button("link.value", "fit", "Fit (0)", actions[0], "100 %");
  const ofOne = [iconButton("less", "Zoom out (−)", actions["-"]), zoomText, iconButton("more", "Zoom in (+)", actions["+"])];
  const saveButton = iconButton("save", "Download picture with legend, and mask of label ids (D)", actions.d);
  const lightButton = iconButton("light", "Brightness and contrast of the photograph (L)", actions.l);
  const helpButton = iconButton("help", "Keys (?)", actions["?"]);
  for (const each of [lightButton, helpButton]) each.setAttribute("aria-expanded", "false");
  const help = helpPanel();
  const legend = new Legend(get("_classes"), {
    ontoggle: toggle, onsolo: solo, onall: toggleAll, onpoint(label) { lit = label; hover(); redraw(); },
  });
  const [leftTitle, rightTitle] = [element("span.title.first"), element("span.title.second")];
  const missing = element("span.title.missing", { hidden: true }, "no prediction of this network kept");
  const key = element("div.key");
  const readout = element("div.readout", { "data-part": "readout" });
  const status = element("span.unseen", { role: "status" });
  const frame = element("div.frame", {}, canvas, leftTitle, rightTitle, missing);
  const stage = element("div.stage", {}, frame,
    element("div.key-line", { "data-part": "key" }, classOfErrors, key), readout);
  const body = element("div.body", {}, stage, legend.node);
  const sorts = menu("Order", "sort", (position) => set("sort", Object.keys(SORTS)[position]));
  const filters = menu("Which scenes", "filter", (position) => {
    where = ["", "truth", "prediction"][position];
    sort();
  });
  const overview = overviewPanel(
    element("div.bar", {}, classOfScenes, field("Order", sorts.node), field("Scenes", filters.node)), drawCard,
    (position) => { set("overview", false); go(position); });
  root.append(
    element("div.bar", {},
      element("div.group", {}, all, previous, next, scenes.node, counter),
      element("div.group.end", {}, score, modelBox)),
    element("div.bar", {},
      element("div.group", {}, views.node, arrangements.node),
      element("div.group", {}, drawings.node, sliders.opacity.node, numbers),
      element("div.group.end", {}, ...ofOne, lightButton, iconButton("full", "Full screen (F)", fullScreen),
        saveButton, helpButton)),
    light, help, body, overview.node, status);
  el.append(root);

  // --- following the model --------------------------------------------------------------------

  function resort() { // orders name classes and networks
    const name = get("_classes")[chosen()]?.name, keys = Object.keys(SORTS);
    sorts.setTexts(keys.map((key) => (possible(key) ? SORTS[key].text(given()) : "")));
    sorts.show(keys.indexOf(sorted()));
    filters.setTexts(["all", name && `with ${name}`, name && `where A sees ${name}`].map((text) => text ?? ""));
    filters.show(name ? ["", "truth", "prediction"].indexOf(where) : 0);
    for (const each of classMenus) each.show((chosen() ?? -1) + 1);
    refresh();
    sort();
  }

  function replaceScenes() {
    store.clear();
    scenes.setTexts(get("_scenes").map(({ name }) => name));
    models.setTexts(get("_models"));
    others.setTexts(["truth", ...get("_models")]);
    for (const each of classMenus) each.setTexts(["all", ...get("_classes").map(({ name }) => name)]);
    modelBox.hidden = get("_models").length < 2;
    resort();
    load();
  }

  const listeners = {
    "change:scene": load, "change:divider": redraw,
    "change:overview"() { // what has the focus is hidden by it
      const mine = root.contains(document.activeElement);
      refresh();
      if (mine) (get("overview") ? overview.node.querySelector("[aria-current=true]") : canvas)?.focus();
    },
  };
  const follow = (names, listener) => { for (const name of names) listeners[`change:${name}`] = listener; };
  follow(["model", "against", "chosen", "sort", "pair"], resort);
  follow(["_scenes", "_models"], replaceScenes);
  follow(["hidden", "view", "arrangement", "drawing", "numbers"], refresh);
  for (const [name, { show }] of Object.entries(sliders)) follow([name], () => { show(get(name)); redraw(); });
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  const observer = new ResizeObserver(fit);
  observer.observe(el);
  document.addEventListener("fullscreenchange", fit, { signal });
  followRatio(fit, signal);
  hideStill(root, get("_still"));
  hover();
  replaceScenes();

  return () => {
    ending.abort();
    observer.disconnect();
    for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
  };
}

export default { render };
