// Label maps: unpacking, counting, distances, painting. Nothing here knows the page.

const VOID = 255;
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

  // Pixels of each label, where `truth` is not void if that is given.
  countsWithin(truth = null) {
    this._counts ??= new Map();
    if (!this._counts.has(truth)) {
      const counts = new Uint32Array(256), known = truth !== this && truth?.labels;
      this.labels.forEach((label, i) => { if (!known || known[i] !== VOID) counts[label]++; });
      this._counts.set(truth, counts);
    }
    return this._counts.get(truth);
  }

  get counts() { return this.countsWithin(); }
  // City-block distance of each pixel to the nearest pixel of another label, from 1 at an outline.
  get distances() { return (this._distances ??= distanceToBoundary(this.labels, this.width)); }
  // Places inside large regions where a number can stand: {x, y, label, room} in pixels.
  get anchors() { return (this._anchors ??= findAnchors(this)); }
}

function distanceToBoundary(labels, width) {
  const distances = new Uint8Array(labels.length).fill(FAR), last = labels.length - 1;
  for (let i = 1; i <= last; i++) {
    if (i % width && labels[i] !== labels[i - 1]) distances[i] = distances[i - 1] = 1;
    if (i >= width && labels[i] !== labels[i - width]) distances[i] = distances[i - width] = 1;
  }
  const spread = (i, from) => { if (distances[from] + 1 < distances[i]) distances[i] = distances[from] + 1; };
  for (let i = 1; i <= last; i++) {
    if (i % width) spread(i, i - 1);
    if (i >= width) spread(i, i - width);
  }
  for (let i = last - 1; i >= 0; i--) {
    if ((i + 1) % width) spread(i, i + 1);
    if (i + width <= last) spread(i, i + width);
  }
  return distances;
}

// The innermost points of regions: of each block the pixel that is farthest from another label and
// from the edge, unless one with more room and the same label is near.
function findAnchors({ labels, distances, width, height }) {
  const long = Math.max(width, height), block = Math.ceil(long / 64), found = new Map();
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const room = Math.min(distances[i], x + 1, width - x, y + 1, height - y);
      if (labels[i] === VOID || room < Math.max(4, long / 90)) continue;
      const cell = Math.floor(y / block) * 64 + Math.floor(x / block);
      if (room > (found.get(cell)?.room ?? 0)) found.set(cell, { x, y, label: labels[i], room });
    }
  }
  const kept = [];
  for (const spot of [...found.values()].sort((a, b) => b.room - a.room)) {
    const near = ({ x, y, label, room }) => label === spot.label
      && Math.abs(x - spot.x) + Math.abs(y - spot.y) < 3 * room + long / 16;
    if (kept.length < 80 && !kept.some(near)) kept.push(spot);
  }
  return kept;
}

// Label to a pixel in the memory order of this machine; where a colour is null, transparent.
function pixelTable(colors) {
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  colors.forEach((color, label) => color && bytes.set([...color, 255].slice(0, 4), 4 * label));
  return table;
}

const brightness = ([red, green, blue]) => 0.299 * red + 0.587 * green + 0.114 * blue;
const blankCanvas = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

// A canvas of the map's size: areas, or lines of a few pixels in a casing, dark around light ones, light
// around dark ones, so that a line is seen on any photograph and without its hue. Where the map `by` has
// another label than `lit`, they are faint; nowhere if `lit` is null.
function paintMap(map, palette, drawing, by = map, lit = null) {
  const canvas = blankCanvas(map.width, map.height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(map.width, map.height);
  const pixels = new Uint32Array(image.data.buffer);
  const { labels } = map, owners = by.labels, lines = drawing === "outline" ? map.distances : null;
  const reach = Math.max(1, Math.round(Math.max(map.width, map.height) / 640));
  const shades = palette.map((color) => color && (brightness(color) > 80 ? [0, 0, 0, 150] : [255, 255, 255, 150]));
  const dim = ([red, green, blue, alpha = 255]) => [red, green, blue, 0.15 * alpha];
  const [table, casing] = [palette, shades].map(pixelTable);
  const [faint, faintCasing] = lit === null ? [table, casing]
    : [palette, shades].map((colors) => pixelTable(colors.map((color) => color && dim(color))));
  for (let i = 0; i < pixels.length; i++) {
    const isLit = owners[i] === lit;
    if (!lines || lines[i] <= reach) pixels[i] = (isLit ? table : faint)[labels[i]];
    else if (lines[i] === reach + 1) pixels[i] = (isLit ? casing : faintCasing)[labels[i]];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
