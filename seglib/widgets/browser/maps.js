// Label maps: unpacking, counting, distances, painting. Nothing here knows the page.

const VOID = 255;
const RIGHT = 0, WRONG = 1; // the two "classes" of an error map
const FAR = 254; // distances are bytes and stop growing here

async function inflate(view) {
  const stream = new Blob([view]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A map with what is derived from it when it is first asked for.
class LabelMap {
  constructor(labels, width, height) {
    Object.assign(this, { labels, width, height });
  }

  // Pixels of each label.
  get counts() {
    if (!this._counts) {
      this._counts = new Uint32Array(256);
      for (const label of this.labels) this._counts[label]++;
    }
    return this._counts;
  }

  // Pixels of each label where `truth` is not void, kept for the truth asked for last.
  countsWithin(truth) {
    if (!truth || truth === this || !truth.counts[VOID]) return this.counts;
    if (this._within?.truth !== truth) {
      const counts = new Uint32Array(256);
      for (let i = 0; i < this.labels.length; i++) {
        if (truth.labels[i] !== VOID) counts[this.labels[i]]++;
      }
      this._within = { truth, counts };
    }
    return this._within.counts;
  }

  // City-block distance of each pixel to the nearest pixel of another label, from 1 at an outline.
  get distances() {
    return (this._distances ??= distanceToBoundary(this.labels, this.width, this.height));
  }

  // Places inside large regions where a number can stand: {x, y, label} in pixels.
  get anchors() {
    return (this._anchors ??= findAnchors(this));
  }
}

function distanceToBoundary(labels, width, height) {
  const distances = new Uint8Array(labels.length).fill(FAR);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (x > 0) {
        if (labels[i] !== labels[i - 1]) distances[i] = distances[i - 1] = 1;
        else if (distances[i - 1] < distances[i]) distances[i] = distances[i - 1] + 1;
      }
      if (y > 0) {
        if (labels[i] !== labels[i - width]) distances[i] = distances[i - width] = 1;
        else if (distances[i - width] < distances[i]) distances[i] = distances[i - width] + 1;
      }
    }
  }
  for (let y = height - 1, i = labels.length - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--, i--) {
      const d = distances[i];
      if (d >= FAR) continue;
      if (x > 0 && distances[i - 1] > d + 1) distances[i - 1] = d + 1;
      if (y > 0 && distances[i - width] > d + 1) distances[i - width] = d + 1;
    }
  }
  return distances;
}

// The innermost point of every connected region, on a coarse grid: numbers need no precision.
function findAnchors({ labels, distances, width, height }) {
  const step = Math.max(1, Math.ceil(Math.max(width, height) / 256));
  const w = Math.floor((width + step - 1) / step), h = Math.floor((height + step - 1) / step);
  const at = (cell) => Math.floor(cell / w) * step * width + (cell % w) * step;
  const seen = new Uint8Array(w * h);
  const needed = Math.max(4, Math.max(width, height) / 90);
  const anchors = [];
  for (let start = 0; start < w * h; start++) {
    const label = labels[at(start)];
    if (seen[start] || label === VOID) continue;
    seen[start] = 1;
    let best = null, most = 0;
    for (const queue = [start]; queue.length; ) {
      const cell = queue.pop();
      const x = (cell % w) * step, y = Math.floor(cell / w) * step;
      const room = Math.min(distances[y * width + x], x + 1, width - x, y + 1, height - y);
      if (room > most) [most, best] = [room, { x, y, label }];
      const next = [];
      if (x > 0) next.push(cell - 1);
      if (cell % w < w - 1) next.push(cell + 1);
      if (cell >= w) next.push(cell - w);
      if (cell + w < w * h) next.push(cell + w);
      for (const other of next) {
        if (!seen[other] && labels[at(other)] === label) {
          seen[other] = 1;
          queue.push(other);
        }
      }
    }
    if (most >= needed) anchors.push({ ...best, room: most });
  }
  return anchors.sort((a, b) => b.room - a.room).slice(0, 80);
}

// Where a prediction is wrong; void and switched-off classes are left out.
function errorMap(truth, prediction, hidden) {
  const labels = new Uint8Array(truth.labels.length);
  for (let i = 0; i < labels.length; i++) {
    const label = truth.labels[i];
    labels[i] = label === VOID || hidden.has(label) ? VOID
      : label === prediction.labels[i] ? RIGHT : WRONG;
  }
  return new LabelMap(labels, truth.width, truth.height);
}

// Label to a pixel in the memory order of this machine; what is not listed is transparent.
function pixelTable(colors, hidden) {
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  colors.forEach(([red, green, blue, alpha = 255], label) => {
    if (!hidden.has(label)) bytes.set([red, green, blue, alpha], 4 * label);
  });
  return table;
}

// What lines of each colour are cased with: dark around light ones, light around dark ones, so that
// a line is seen on any photograph and without its hue.
function casingTable(table) {
  const colors = new Uint8ClampedArray(table.buffer);
  const casings = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(casings.buffer);
  for (let label = 0; label < 256; label++) {
    const shade = brightness(colors.subarray(4 * label)) > 80 ? 0 : 255;
    bytes.set([shade, shade, shade, 150], 4 * label);
  }
  return casings;
}

function brightness([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

// A canvas of the map's size: areas, or lines of `reach` pixels within a casing.
function paintMap(map, table, drawing) {
  const canvas = document.createElement("canvas");
  canvas.width = map.width;
  canvas.height = map.height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(map.width, map.height);
  const pixels = new Uint32Array(image.data.buffer);
  const { labels } = map;
  if (drawing === "fill") {
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[labels[i]];
  } else {
    const { distances } = map;
    const reach = Math.max(1, Math.round(Math.max(map.width, map.height) / 640));
    const casings = casingTable(table);
    for (let i = 0; i < pixels.length; i++) {
      const label = labels[i];
      if (table[label] && distances[i] <= reach + 1) {
        pixels[i] = (distances[i] <= reach ? table : casings)[label];
      }
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
