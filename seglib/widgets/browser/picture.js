// The canvas: photograph, layers, divider and numbers under one zoom. Knows no buttons.

const MAX_ZOOM = 16;
const MOST_PAINTED = 16; // layers kept as pixels

class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.painted = new Map();
    [this.columns, this.rows] = [1, 1]; // of the same scene, all under the same zoom
    this.reset();
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0.5, y: 0.5 });
  }

  // Show another scene: {width, height, photo (an ImageBitmap)}.
  setScene(scene) {
    this.scene = scene;
    this.painted.clear();
    this.light = null;
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

  get width() { return this.canvas.width / this.columns; } // of one picture
  get height() { return this.canvas.height / this.rows; }
  get scale() { return (this.width / this.scene.width) * this.zoom; }
  get extent() { return [this.scene.width * this.scale, this.scene.height * this.scale]; }

  // Where the scene's corner lies in its picture, which it always covers.
  get origin() {
    const [extentX, extentY] = this.extent;
    return [this.width / 2 - this.x * extentX, this.height / 2 - this.y * extentY];
  }

  // From a position in the buffer, in any of the pictures, to a pixel of the scene, or null outside.
  pixelAt(bufferX, bufferY) {
    const [left, top] = this.origin;
    const x = Math.floor(((bufferX % this.width) - left) / this.scale);
    const y = Math.floor(((bufferY % this.height) - top) / this.scale);
    const drawn = bufferX < this.canvas.width && bufferY < this.canvas.height; // a drag may leave it
    return drawn && x >= 0 && y >= 0 && x < this.scene.width && y < this.scene.height ? { x, y } : null;
  }

  // Which of two layers is drawn at a position in the buffer.
  sideOf(bufferX, bufferY, divider) {
    if (this.columns * this.rows === 2) return Number(bufferX >= this.width || bufferY >= this.height);
    return Number(bufferX >= divider * this.canvas.width);
  }

  // Zoom by a factor and keep the point under (bufferX, bufferY) where it is.
  zoomBy(factor, bufferX = this.width / 2, bufferY = this.height / 2) {
    const away = [this.width / 2 - (bufferX % this.width), this.height / 2 - (bufferY % this.height)];
    this.panBy(...away); // the point into the middle and back, so far as it is from there then
    this.zoom = Math.min(MAX_ZOOM, Math.max(1, this.zoom * factor));
    this.panBy(-away[0], -away[1]);
    this.settle();
  }

  // Moves without bounds until `settle`.
  panBy(bufferX, bufferY) {
    const [extentX, extentY] = this.extent;
    this.x -= bufferX / extentX;
    this.y -= bufferY / extentY;
  }

  settle() {
    const half = 0.5 / this.zoom;
    this.x = Math.min(Math.max(this.x, half), 1 - half);
    this.y = Math.min(Math.max(this.y, half), 1 - half);
  }

  // A layer as pixels, kept until classes or scene change.
  paint(layer, palette, drawing, lit) {
    const key = `${layer.id} ${drawing} ${lit}`;
    if (!this.painted.has(key)) {
      if (this.painted.size >= MOST_PAINTED) this.painted.delete(this.painted.keys().next().value);
      this.painted.set(key, paintMap(layer.map, palette, drawing, layer.by, lit));
    }
    return this.painted.get(key);
  }

  // The photograph, brighter and with more contrast; 1 and 1 leave it as it is.
  photo(brightness, contrast) {
    const { photo, width, height } = this.scene, key = `${brightness} ${contrast}`;
    if (brightness === 1 && contrast === 1) return photo;
    if (this.light?.key !== key) {
      const canvas = blankCanvas(width, height), context = canvas.getContext("2d");
      context.drawImage(photo, 0, 0);
      const image = context.getImageData(0, 0, width, height), { data } = image;
      const table = Uint8ClampedArray.from({ length: 256 }, (_, value) =>
        (value * brightness - 127.5) * contrast + 127.5);
      for (let i = 0; i < data.length; i++) if ((i & 3) !== 3) data[i] = table[data[i]];
      context.putImageData(image, 0, 0);
      this.light = { key, canvas };
    }
    return this.light.canvas;
  }

  // `layers`: one for the whole, or two: left and right of a divider at `divider` (0 to 1), or where
  // there are two pictures one for each; null shows the bare photograph. `palette`: the colours of a
  // layer for a drawing. `lit`: the class whose areas stand out, or null. `at`: a pixel to mark.
  draw({ layers, palette, drawing, opacity, divider, numbers, brightness, contrast, lit, at }) {
    const { context, canvas, scene, scale, ratio, width, height, columns, rows } = this;
    const [left, top] = this.origin, two = columns * rows === 2;
    const photo = this.photo(brightness, contrast), middle = Math.round(divider * canvas.width);
    const place = (image) =>
      context.drawImage(image, left, top, scene.width * scale, scene.height * scale);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    layers.forEach((layer, side) => {
      const swiped = layers.length === 2 && !two;
      const [from, room] = !swiped ? [0, width] : side ? [middle, width - middle] : [0, middle];
      context.save();
      if (two) context.translate(side * (columns - 1) * width, side * (rows - 1) * height);
      context.beginPath();
      context.rect(from, 0, room, height);
      context.clip();
      context.globalAlpha = 1;
      context.imageSmoothingEnabled = scale < 3;
      place(photo);
      if (layer) {
        const style = layer.values === HEAT ? "fill" : drawing, colors = palette(layer, style);
        const strength = style === "outline" ? 4 : layer.values ? 2.5 : 1; // errors must be seen
        context.globalAlpha = 1 - (1 - opacity) ** strength;
        context.imageSmoothingEnabled = scale < 1; // from there on pixels show as they are
        place(this.paint(layer, colors, style, lit));
        context.globalAlpha = 1;
        if (numbers && layer.values !== HEAT) this.drawNumbers(layer, colors, left, top);
      }
      if (at && two) this.drawRing(left + (at.x + 0.5) * scale, top + (at.y + 0.5) * scale);
      context.restore();
    });
    if (two) {
      context.fillStyle = "#fff";
      if (columns === 2) context.fillRect(width - ratio, 0, 2 * ratio, height);
      else context.fillRect(0, height - ratio, width, 2 * ratio);
    } else if (layers.length === 2) {
      this.drawDivider(middle, ratio);
    }
  }

  drawRing(x, y) {
    const { context, ratio } = this;
    context.beginPath();
    context.arc(x, y, 7 * ratio, 0, 2 * Math.PI);
    for (const [color, line] of [["rgba(15, 18, 24, 0.6)", 4], ["#fff", 2]]) {
      Object.assign(context, { strokeStyle: color, lineWidth: line * ratio }).stroke();
    }
  }

  drawNumbers(layer, colors, left, top) {
    const { context, scale, ratio } = this;
    const size = 11 * ratio;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const { x, y, label } of layer.map.anchors) {
      if (!colors[label]) continue; // switched off
      const text = layer.values?.[label].sign ?? String(label);
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
    const { context, canvas } = this, y = canvas.height / 2;
    context.fillStyle = "rgba(15, 18, 24, 0.45)";
    context.fillRect(middle - 2 * ratio, 0, 4 * ratio, canvas.height);
    context.fillStyle = "#fff";
    context.fillRect(middle - ratio, 0, 2 * ratio, canvas.height);
    context.beginPath();
    context.arc(middle, y, 13 * ratio, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#1f2933";
    context.font = `${22 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText("‹ ›", middle, y - ratio);
  }
}
