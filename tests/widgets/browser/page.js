// What the tests run in the page, beside one-liners; see `Browser.page`.

// Moves the slider, `times` times, and measures each redraw until its pixels can be read.
async function measure(viewer, times) {
  const canvas = viewer.querySelector("canvas"), slider = viewer.querySelector("[data-control=opacity]");
  const result = { redraw: [], width: canvas.width, height: canvas.height };
  for (let i = 0; i < times; i++) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const drawn = new Promise((resolve) => viewer.addEventListener("seglib-draw", (event) => {
      const begin = performance.now();
      canvas.getContext("2d").getImageData(0, 0, 1, 1); // waits until the picture is finished
      resolve(event.detail.milliseconds + performance.now() - begin);
    }, { once: true }));
    slider.value = 20 + (i * 7) % 70;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    result.redraw.push(await drawn);
  }
  return result;
}

// The RGB of the canvas at a place given as shares of width and height.
function pixel(viewer, x, y) {
  const canvas = viewer.querySelector("canvas");
  const place = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
  return [...canvas.getContext("2d").getImageData(...place, 1, 1).data.slice(0, 3)];
}

function slide(slider, value) {
  slider.value = value;
  for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name, { bubbles: true }));
}

function choose(menu, position) {
  menu.selectedIndex = position;
  menu.dispatchEvent(new Event("change", { bubbles: true }));
}

// What the line below the picture says, by fact.
function facts(viewer) {
  const nodes = [...viewer.querySelectorAll("[data-part=readout] [data-fact]")];
  return Object.fromEntries(nodes.map((node) => [node.dataset.fact, node.innerText]));
}

function errors() {
  return [...jupyterapp.shell.currentWidget.content.model.cells]
    .flatMap((cell) => cell.toJSON().outputs ?? [])
    .filter((output) => output.output_type === "error")
    .map((output) => `${output.ename}: ${output.evalue}`);
}

// Gives a file to the page as the system does when one is dropped or pasted; whether it was taken.
function give(target, kind, name, content) {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/png" }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...options, clipboardData: data })
    : new DragEvent(kind, { ...options, dataTransfer: data });
  return !target.dispatchEvent(event);
}

// Elements that reach out of `root`, or are cut off at their own edge.
function clipped(root) {
  const edge = root.getBoundingClientRect().right - 1;
  return [...root.querySelectorAll("*")].filter((node) => {
    const { right, width } = node.getBoundingClientRect();
    const cut = getComputedStyle(node).overflowX !== "visible" && node.clientWidth
      && node.scrollWidth > node.clientWidth + 1;
    return (width && right > edge) || cut;
  }).map((node) => `${node.className}: ${node.textContent}`);
}

// How many pictures, complaints and viewers the reader sees.
function seen() {
  const count = (selector, words = "") => [...document.querySelectorAll(selector)].filter((node) =>
    node.getClientRects().length && node.textContent.includes(words)).length;
  return [count(".seglib-still img"), count(".jp-OutputArea-output", "not found"), count(".seglib-viewer")];
}
