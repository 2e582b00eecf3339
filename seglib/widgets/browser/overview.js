// All scenes as small pictures of what is shown, in an order that tells where to look.

// What scenes are ordered by, the lowest first. `value` is a scene's number, by what is chosen: {a, b,
// chosen, pair, classes, scored}; null leaves the scene out. `can`: whether there is such an order.
// `opens`: whether it takes the unpacked scene.
const SORTS = {
  name: { text: () => "as they lie", value: () => 0 },
  miou: {
    can: ({ scored }) => scored, text: () => "mIoU, lowest first", value: ({ a, models }) => models[a]?.miou,
  },
  iou: {
    can: ({ chosen }) => chosen !== null, value: ({ a, chosen, models }) => models[a]?.iou[chosen],
    text: ({ chosen, classes }) => `IoU of ${classes[chosen].name}, lowest first`,
    tell: (value, { chosen, classes }) => `${classes[chosen].name} ${percent(value)} %`,
  },
  difference: {
    opens: true, can: ({ b }) => b !== null, text: () => "A and B differ most",
    value({ a, b, truth, models }) {
      const [first, second] = [models[a]?.map.labels, models[b]?.map.labels];
      const differ = first && second?.reduce((sum, label, i) =>
        sum + Number(label !== first[i] && truth?.labels[i] !== VOID), 0);
      return differ && -differ / (first.length - (truth?.counts[VOID] ?? 0));
    },
    tell: (value) => `${percent(-value)} % differ`,
  },
  confusion: {
    opens: true, can: ({ pair }) => pair.length === 2,
    text: ({ pair: [from, to], classes }) => `${classes[from].name} taken for ${classes[to].name}`,
    value: ({ a, pair: [from, to], classes, models }) =>
      -(models[a]?.confusion?.[from * classes.length + to] ?? 0) || null,
    tell: (value) => `${(-value).toLocaleString("en")} pixels`,
  },
};

// Of A, and of B where it is compared: "mIoU 61.0 | – %".
const miouText = (entries) => {
  const told = entries.filter((entry, place) => entry || !place).map((entry) => entry?.miou ?? null);
  return told.some((miou) => miou !== null) ? `mIoU ${told.map((miou) => percent(miou)).join(" | ")} %` : "";
};

// The scenes that are asked for, in order, with what is told of each: [{position, name, told}].
// `where`: "truth" or "prediction" keeps those that have the chosen class there.
async function orderedScenes(store, sort, given, where) {
  const { value, tell, opens } = SORTS[sort], cards = [];
  for (const [position, { name, models }] of store.packed().entries()) {
    const scene = opens || where ? await store.unpack(position) : { models }; // only if it has to be
    const { a, b, chosen } = given, found = value({ ...given, ...scene }) ?? null;
    const map = where === "truth" ? scene.truth : where && scene.models[a]?.map;
    if (found === null || (where && !map?.countsWithin(scene.truth)[chosen])) continue;
    const told = [tell?.(found, given), miouText([models[a], models[b]])];
    cards.push({ position, name, found, told: told.filter(Boolean).join(" · ") });
  }
  return cards.sort((x, y) => x.found - y.found);
}

// The grid: {node, show(cards, current), step(by)}; `draw` fills the canvas of a scene, later.
function overviewPanel(head, draw, onopen) {
  const grid = element("div.grid"), empty = element("div.message", { role: "status" }, "No scene fits");
  let ticket = 0;
  return {
    node: element("div.overview", { hidden: true }, head, empty, grid),
    async show(cards, current) {
      const mine = ++ticket, active = document.activeElement;
      const focused = grid.contains(active) && active.dataset.card; // the position of a scene
      empty.hidden = cards.length > 0;
      const nodes = cards.map(({ position, name, told }) => element("button.card", {
        type: "button", "data-card": position, "aria-current": String(position === current),
        onclick: () => onopen(position),
      }, element("canvas"), element("span.name", {}, name), element("span.told", {}, told)));
      grid.replaceChildren(...nodes);
      if (focused) (grid.querySelector(`[data-card="${focused}"]`) ?? nodes[0])?.focus();
      for (const [place, { position }] of cards.entries()) {
        await draw(position, nodes[place].firstChild, () => mine === ticket);
      }
    },
    step(by) { // to the next card
      const cards = [...grid.children], active = cards.indexOf(document.activeElement);
      const here = active < 0 ? cards.findIndex((card) => card.ariaCurrent === "true") : active;
      cards.at((here + by) % cards.length)?.focus();
    },
  };
}
