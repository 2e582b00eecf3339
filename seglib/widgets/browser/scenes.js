// The scenes as the kernel packed them, unpacked when they are first looked at.

const MOST_KEPT = 24; // unpacked scenes in memory

class SceneStore {
  constructor(packed) {
    this.packed = packed; // a function: the kernel may replace the scenes
    this.unpacked = new Map();
  }

  clear() {
    this.unpacked.clear();
  }

  // A promise of {name, width, height, photo, truth, models}, maps as `LabelMap`s or null.
  unpack(position) {
    if (!this.unpacked.has(position)) {
      if (this.unpacked.size >= MOST_KEPT) this.unpacked.delete(this.unpacked.keys().next().value);
      this.unpacked.set(position, unpackScene(this.packed()[position]));
    }
    return this.unpacked.get(position);
  }

  // Positions of the scenes by a model's mIoU, the lowest first; those without a score are left out.
  ranking(modelIndex) {
    return this.packed()
      .map(({ models }, position) => ({ position, miou: models[modelIndex]?.miou ?? null }))
      .filter(({ miou }) => miou !== null)
      .sort((a, b) => a.miou - b.miou)
      .map(({ position }) => position);
  }
}

async function unpackScene({ name, width, height, reduced, photo, kind, truth, models }) {
  const map = async (bytes) => (bytes ? new LabelMap(await inflate(bytes), width, height) : null);
  return {
    name, width, height, reduced,
    photo: await createImageBitmap(new Blob([photo], { type: kind })),
    truth: await map(truth),
    models: await Promise.all(models.map(async (entry) => entry && {
      ...entry,
      map: await map(entry.labels),
      confidence: entry.confidence ? await inflate(entry.confidence) : null,
    })),
  };
}
