// The scenes as the kernel packed them, unpacked when they are first looked at.

const MOST_KEPT = 24; // unpacked scenes in memory

// `packed` and `names`, of the models, are functions: the kernel may replace the scenes. `unpack` of a
// position: a promise of {name, width, height, photo, truth, models, layers}, maps as `LabelMap`s or null.
function sceneStore(packed, names) {
  const kept = new Map();

  async function unpack({ photo, truth, models, ...scene }) {
    const map = async (bytes) => (bytes ? new LabelMap(await inflate(bytes), scene.width, scene.height) : null);
    const count = async (bytes) => (bytes ? new Uint32Array((await inflate(bytes)).buffer) : null);
    const entries = models.map(async (entry, index) => entry && {
      ...entry, index, name: names()[index], map: await map(entry.labels),
      confidence: await map(entry.confidence), confusion: await count(entry.confusion),
    });
    const parts = [createImageBitmap(new Blob([photo])), map(truth), Promise.all(entries)];
    const [pixels, known, predicted] = await Promise.all(parts);
    return { ...scene, photo: pixels, truth: known, models: predicted, layers: new Map() };
  }

  return {
    packed,
    clear: () => kept.clear(),
    unpack(position) {
      if (!kept.has(position)) {
        if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
        const scene = unpack(packed()[position]);
        kept.set(position, scene);
        scene.catch(() => kept.get(position) === scene && kept.delete(position)); // tried again
      }
      return kept.get(position);
    },
  };
}
