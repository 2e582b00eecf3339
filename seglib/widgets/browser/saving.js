// What is saved: the whole photograph at its own size with title and legend, and the label ids.

const KERNEL_PATIENCE = 8000; // milliseconds until a scene's own size is given up

// What of a scene differs at its own size, before it was reduced for the screen: {width, height, photo,
// truth, a, b, layers}; nothing if it was not reduced, null if the kernel does not answer.
async function atOwnSize(model, scene, entries) {
  if (!scene.reduced) return {};
  const request = Math.random();
  const answer = await new Promise((resolve) => {
    const listen = (content, buffers) => {
      if (content.request !== request) return;
      model.off("msg:custom", listen);
      resolve({ ...content, buffers });
    };
    model.on("msg:custom", listen);
    setTimeout(() => { model.off("msg:custom", listen); resolve(null); }, KERNEL_PATIENCE);
    try {
      model.send({ request, scene: scene.name, models: entries.map((entry) => entry?.name ?? "") });
    } catch {
      resolve(null); // the kernel is gone
    }
  });
  if (!answer) return null;
  const { width, height, buffers: [photo, ...maps] } = answer;
  const [truth, ...found] = await Promise.all(maps.map(async (bytes) =>
    (bytes.byteLength ? new LabelMap(await inflate(bytes), width, height) : null)));
  const [a, b] = entries.map((entry, place) =>
    entry && { ...entry, map: found[2 * place], confidence: found[2 * place + 1] });
  return { width, height, truth, a, b, layers: new Map(), photo: await createImageBitmap(new Blob([photo])) };
}

// A canvas with a title above the drawn photograph and the classes of `entries` below it.
function withLegend(picture, title, entries) {
  const { width, height } = picture;
  const unit = Math.max(11, Math.round(width / 64)), line = 1.8 * unit;
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const font = (weight) => { context.font = `${weight} ${unit}px system-ui, sans-serif`; };
  font(400);
  const longest = Math.max(0, ...entries.map(({ text }) => context.measureText(text).width));
  const columns = Math.max(1, Math.min(entries.length, Math.floor((width - unit) / (longest + 4 * unit))));
  const column = (width - unit) / columns;
  canvas.width = width;
  canvas.height = Math.ceil(height + 2.4 * unit + Math.ceil(entries.length / columns) * line + unit);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.textBaseline = "middle";
  context.fillStyle = "#1f2933";
  font(600);
  context.fillText(title, unit, 1.2 * unit, width - 2 * unit);
  context.drawImage(picture, 0, Math.round(2.4 * unit));
  font(400);
  entries.forEach(({ color, text }, position) => {
    const x = unit + (position % columns) * column;
    const y = Math.round(2.4 * unit) + height + 0.5 * unit + (Math.floor(position / columns) + 0.5) * line;
    context.fillStyle = `rgb(${color.slice(0, 3).join(" ")})`;
    context.fillRect(x, y - 0.5 * unit, 1.4 * unit, unit);
    context.fillStyle = "#1f2933";
    context.fillText(text, x + 2 * unit, y, column - 2.5 * unit);
  });
  return canvas;
}

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

// A PNG file of one byte per pixel. By hand, because a canvas knows no gray and may add noise.
async function grayPng(values, width, height) {
  const rows = new Uint8Array(height * (width + 1)); // each behind its filter, 0 for none
  for (let y = 0; y < height; y++) {
    rows.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits; gray, and the only methods there are
  const chunk = (name, content) => {
    const bytes = new Uint8Array(12 + content.length), view = new DataView(bytes.buffer);
    view.setUint32(0, content.length);
    bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
    bytes.set(content, 8);
    let crc = 0xffffffff;
    for (const byte of bytes.subarray(4, 8 + content.length)) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
    view.setUint32(8 + content.length, ~crc);
    return bytes;
  };
  return new Blob([
    Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("IDAT", new Uint8Array(await new Response(stream).arrayBuffer())),
    chunk("IEND", new Uint8Array()),
  ], { type: "image/png" });
}

function download(root, blob, name) {
  const href = URL.createObjectURL(blob);
  const link = element("a", { href, download: name.replace(/[^\w.-]+/g, "_") });
  root.append(link); // some browsers ignore links that are not on the page
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}
