// The place where photographs come in. They are sent one after the other, each in a message that
// Jupyter's server takes: it closes the connection, without a word, on one of more than 10 MiB.

const MOST_BYTES = 8e6; // of a message
const MOST_PIXELS = 5e7; // of a photograph that is made smaller
const QUALITY = 0.9; // of a JPEG
const SILENCE = { asked: 10000, heard: 60000 }; // milliseconds until the reader is told

// The file itself, or where it is too large a JPEG of as many pixels as fit, upright:
// {bytes, note}. Throws where the browser cannot decode it.
async function sendable(file) {
  if (file.size <= MOST_BYTES) return { bytes: await file.arrayBuffer(), note: "" };
  const megabytes = `${(file.size / 1e6).toFixed(1)} MB`;
  let photo;
  try {
    photo = await createImageBitmap(file); // turned as its EXIF data say
  } catch {
    throw new Error(`${megabytes} are more than Jupyter takes at once, and this browser cannot `
      + `read it to make it smaller; save it as a JPEG below ${MOST_BYTES / 1e6} MB`);
  }
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const most = Math.sqrt(MOST_PIXELS / (photo.width * photo.height));
  for (let scale = Math.min(1, most); ; scale *= 0.8) {
    canvas.width = Math.ceil(photo.width * scale);
    canvas.height = Math.ceil(photo.height * scale);
    context.fillStyle = "#fff"; // behind what is transparent
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(photo, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (blob && blob.size <= MOST_BYTES) {
      const note = `, sent as ${(blob.size / 1e6).toFixed(1)} of ${megabytes}`;
      return { bytes: await blob.arrayBuffer(), note };
    }
  }
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  let choice = 0, answer = null;

  function say(text, wrong = false, busy = false) {
    line.textContent = wrong ? `⚠ ${text}` : text;
    line.setAttribute("role", wrong ? "alert" : "status");
    line.classList.toggle("seglib-wrong", wrong);
    working.hidden = !busy;
  }

  // Send one message and wait until the kernel is done with it; nothing waits for a lost answer.
  function ask(content, buffers, mine) {
    return new Promise((resolve) => {
      const ticket = Math.random();
      let timer = null;
      const wait = (state, text) => {
        clearTimeout(timer);
        timer = setTimeout(() => mine() && say(text, true), SILENCE[state]);
      };
      answer = (told) => {
        if (told.ticket !== ticket) return;
        if (told.state === "done") {
          clearTimeout(timer);
          resolve();
        } else {
          wait("heard", `${content.name}: no result for a minute; the kernel is at work or has stopped`);
        }
      };
      wait("asked", `${content.name}: the kernel does not answer; it is busy with another cell, or has `
        + "stopped: then run this cell again");
      try {
        model.send({ ...content, ticket }, undefined, buffers);
      } catch (problem) {
        clearTimeout(timer);
        say(`${content.name}: the kernel cannot be reached (${problem.message}); run this cell again`, true);
        resolve();
      }
    });
  }

  async function take(files) {
    if (!files.length) return;
    const mine = ((ticket) => () => ticket === choice)(++choice); // a newer choice replaces an older one
    const count = files.length;
    for (const [position, file] of files.entries()) {
      const name = file.name || "pasted picture";
      const place = count > 1 ? `${position + 1} of ${count}: ` : "";
      say(`Sending ${place}${name} …`, false, true);
      const { bytes, ...told } = file.size === undefined ? {}
        : await sendable(file).catch(({ message: failed }) => ({ failed }));
      if (!mine()) return;
      if (told.failed) say(`${name}: ${told.failed}`, true);
      await ask({ name, position, count, ...told }, bytes ? [bytes] : [], mine);
    }
  }

  const input = element("input", {
    type: "file", multiple: true, hidden: true, accept: "image/*",
    onchange: () => { take([...input.files]); input.value = ""; },
  });
  const choose = button("toggle", "choose", "JPEG, PNG, WebP, TIFF, BMP", () => input.click(), "Choose photographs");
  const example = button("toggle", "example", `Segment the scene ${get("example")}`,
    () => take([{ name: get("example") }]), "Example scene");
  example.hidden = !get("example");
  const hint = element("span.hint", {}, "or drop or paste them here: JPEG, PNG, WebP, TIFF, BMP");
  const line = element("span.line", { role: "status" });
  const working = element("progress.working", { hidden: true, "aria-label": "At work" });
  const root = element("div.panel", { tabindex: "0", role: "group", "aria-label": "Photographs" },
    element("div.group", {}, choose, example, hint, input),
    element("div.group.told", {}, working, line));
  el.append(root);

  // --- dropping and pasting, on the viewer below, too ------------------------------------------

  const ending = new AbortController(), { signal } = ending;
  listenToKeys(root, signal); // else Enter on a button would edit the cell
  const area = () => root.closest(".seglib-photos") ?? root;
  const within = (event) => area().contains(event.target);
  const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const accept = (event, files) => { event.preventDefault(); event.stopPropagation(); take([...files]); };
  const light = (on) => root.classList.toggle("seglib-over", on);
  const onPage = {
    dragover(event) {
      light(isFile(event) && within(event));
      if (isFile(event) && within(event)) event.preventDefault();
    },
    dragleave: (event) => { if (!event.relatedTarget) light(false); },
    drop(event) {
      light(false);
      if (isFile(event) && within(event)) accept(event, event.dataTransfer.files);
    },
    paste(event) {
      const files = event.clipboardData?.files ?? [];
      if (files.length && area().contains(document.activeElement)) accept(event, files);
    },
  };
  for (const [name, listener] of Object.entries(onPage)) {
    document.addEventListener(name, listener, { capture: true, signal });
  }

  const follow = () => say(get("told").line, get("told").wrong, get("told").busy);
  const hear = (content) => answer?.(content);
  model.on("change:told", follow);
  model.on("msg:custom", hear);
  say(get("told").line, get("told").wrong); // what was at work for a page before may never end
  hideStill(root, get("_still"));

  return () => {
    ending.abort();
    model.off("change:told", follow);
    model.off("msg:custom", hear);
  };
}

export default { render };
