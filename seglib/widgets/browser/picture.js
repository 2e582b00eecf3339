// The canvas: photograph, layers, divider and numbers under one zoom. Knows no buttons.

const ERROR_COLORS = [[222, 226, 230, 130], [187, 35, 60, 255]]; // as in the static figures
const MAX_ZOOM = 16;

class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layers = new Map();
    this.reset();
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0.5, y: 0.5 });
  }

  // Show another scene: {width, height, photo (an ImageBitmap)}.
  setScene(scene) {
    this.scene = scene;
    this.layers.clear();
    this.reset();
  }

  // Fit the drawing buffer to the element, so that a pixel of the buffer is one of the screen.
  resize(cssWidth, cssHeight, ratio = window.devicePixelRatio || 1) {
    this.ratio = ratio;
    const width = Math.max(1, Math.round(cssWidth * this.ratio));
    const height = Math.max(1, Math.round(cssHeight * this.ratio));
    if (width === this.canvas.width && height === this.canvas.height) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    return true;
  }

  get scale() {
    return (this.canvas.width / this.scene.width) * this.zoom;
  }

  // Where the scene's corner lies in the buffer; the scene always covers the canvas.
  get origin() {
    const place = (center, room, extent) => {
      const half = room / extent / 2;
      return room / 2 - Math.min(Math.max(center, half), 1 - half) * extent;
    };
    const extentX = this.scene.width * this.scale, extentY = this.scene.height * this.scale;
    return [
      place(this.x, Math.min(this.canvas.width, extentX), extentX),
      place(this.y, Math.min(this.canvas.height, extentY), extentY),
    ];
  }

  // From a position in the buffer to a pixel of the scene, or null outside.
  pixelAt(bufferX, bufferY) {
    const [left, top] = this.origin;
    const x = Math.floor((bufferX - left) / this.scale);
    const y = Math.floor((bufferY - top) / this.scale);
    return x >= 0 && y >= 0 && x < this.scene.width && y < this.scene.height ? { x, y } : null;
  }

  // Zoom by a factor and keep the point under (bufferX, bufferY) where it is.
  zoomBy(factor, bufferX = this.canvas.width / 2, bufferY = this.canvas.height / 2) {
    const [left, top] = this.origin;
    const u = (bufferX - left) / (this.scene.width * this.scale);
    const v = (bufferY - top) / (this.scene.height * this.scale);
    this.zoom = Math.min(MAX_ZOOM, Math.max(1, this.zoom * factor));
    this.x = u + (this.canvas.width / 2 - bufferX) / (this.scene.width * this.scale);
    this.y = v + (this.canvas.height / 2 - bufferY) / (this.scene.height * this.scale);
    this.settle();
  }

  panBy(bufferX, bufferY) {
    this.x -= bufferX / (this.scene.width * this.scale);
    this.y -= bufferY / (this.scene.height * this.scale);
    this.settle();
  }

  settle() {
    const half = 0.5 / this.zoom;
    this.x = Math.min(Math.max(this.x, half), 1 - half);
    this.y = Math.min(Math.max(this.y, half), 1 - half);
  }

  // A painted map, kept until classes or scene change.
  layer(key, map, table, drawing) {
    key = `${key} ${drawing}`;
    if (!this.layers.has(key)) this.layers.set(key, paintMap(map, table(), drawing));
    return this.layers.get(key);
  }

  // `sides`: [{key, map, table, numbers, strength}] for the whole picture, or for left and right of a divider
  // at `divider` (0 to 1); a side that is null shows the bare photograph.
  draw({ sides, drawing, opacity, divider, numbers }) {
    const { context, canvas, scene, scale, ratio } = this;
    const [left, top] = this.origin;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const place = (image) =>
      context.drawImage(image, left, top, scene.width * scale, scene.height * scale);
    context.imageSmoothingEnabled = scale < 3;
    place(scene.photo);
    const middle = Math.round(divider * canvas.width);
    sides.forEach((side, position) => {
      if (!side) return;
      const [from, to] = sides.length === 1 ? [0, canvas.width]
        : position === 0 ? [0, middle] : [middle, canvas.width];
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, canvas.height);
      context.clip();
      context.imageSmoothingEnabled = scale < 1; // from there on pixels show as they are
      if (drawing === "fill") {
        context.globalAlpha = Math.min(1, (side.strength ?? 1) * opacity);
        place(this.layer(side.key, side.map, side.table, "fill"));
      }
      context.globalAlpha = Math.min(1, 2 * opacity);
      if (drawing === "outline") place(this.layer(side.key, side.map, side.table, "outline"));
      context.globalAlpha = 1;
      if (numbers && side.numbers) this.drawNumbers(side, left, top);
      context.restore();
    });
    if (sides.length === 2) this.drawDivider(middle, ratio);
  }

  drawNumbers(side, left, top) {
    const { context, scale, ratio } = this;
    const table = side.table();
    const size = 11 * ratio;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const { x, y, label } of side.map.anchors) {
      if (!table[label]) continue; // switched off
      const text = String(label);
      const width = context.measureText(text).width + 8 * ratio, height = size + 4 * ratio;
      const centerX = left + (x + 0.5) * scale, centerY = top + (y + 0.5) * scale;
      context.fillStyle = "rgba(15, 18, 24, 0.82)";
      context.beginPath();
      context.roundRect(centerX - width / 2, centerY - height / 2, width, height, height / 2);
      context.fill();
      context.fillStyle = "#fff";
      context.fillText(text, centerX, centerY + 0.5 * ratio);
    }
  }

  drawDivider(middle, ratio) {
    const { context, canvas } = this;
    const radius = 13 * ratio, y = canvas.height / 2;
    context.fillStyle = "rgba(15, 18, 24, 0.45)";
    context.fillRect(middle - 2 * ratio, 0, 4 * ratio, canvas.height);
    context.fillStyle = "#fff";
    context.fillRect(middle - ratio, 0, 2 * ratio, canvas.height);
    context.beginPath();
    context.arc(middle, y, radius, 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = "rgba(15, 18, 24, 0.45)";
    context.lineWidth = ratio;
    context.stroke();
    context.strokeStyle = "#1f2933";
    context.lineWidth = 1.6 * ratio;
    context.lineCap = context.lineJoin = "round";
    for (const side of [-1, 1]) {
      context.beginPath();
      context.moveTo(middle + side * 3.5 * ratio, y - 4 * ratio);
      context.lineTo(middle + side * 7.5 * ratio, y);
      context.lineTo(middle + side * 3.5 * ratio, y + 4 * ratio);
      context.stroke();
    }
  }
}
