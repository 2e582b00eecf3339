// Keys and pointer over the picture. What they do to the state is decided by the viewer.

const PANS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// `actions`: a function for each key; `held`: functions that are told when a key goes down and up.
// The notebook sees key presses before the elements in it do and takes letters for its commands, such
// as "d d" for deleting the cell; so they are caught above it. Shortcuts with Ctrl, Alt or Cmd,
// Shift+Enter and Escape stay the notebook's. `signal` ends it.
function listenToKeys(root, signal, actions = {}, pan = () => {}, held = {}) {
  const listen = (event) => {
    if (!root.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, shiftKey } = event, field = event.target.tagName;
    if (key === "Escape") leave(root);
    if (key === "Escape" || key === "Tab" || (key === "Enter" && shiftKey) || /^F\d/.test(key)) return;
    event.stopPropagation();
    if (field === "SELECT" || (field === "INPUT" && key.startsWith("Arrow"))) return;
    held[key.toLowerCase()]?.(true);
    const panned = shiftKey && PANS[key];
    const action = panned ? () => pan(...panned) : actions[key] ?? actions[key.toLowerCase()];
    if (!action) return; // Enter and the space bar press buttons
    event.preventDefault();
    action();
  };
  const release = ({ key }) => { // or no key: something has lost the focus
    for (const name in held) if (!key || key.toLowerCase() === name) held[name](false);
  };
  for (const [name, listener] of [["keydown", listen], ["keyup", release], ["blur", release]]) {
    window.addEventListener(name, listener, { capture: true, signal });
  }
}

// Give the focus back to what the viewer stands in: a cell of the notebook.
function leave(root) {
  document.activeElement?.blur();
  root.parentElement?.closest("[tabindex]")?.focus();
}

// A saved notebook holds a picture of the widget for when it is dead. This hides it, whenever it is
// drawn, as long as a view of the widget is on the page.
function hideStill(root, id) {
  root.append(element("style", {}, `[data-seglib-still="${id}"] { display: none; }`));
}

// Positions are given in pixels of the drawing buffer. `grabs(x)`: whether the divider is there.
function listenToPointer(canvas, { grabs, moveDivider, dropDivider, pan, point, zoom }) {
  let drag = null, last = null;

  const inBuffer = ({ offsetX, offsetY }) => ({
    x: (offsetX / canvas.clientWidth) * canvas.width, y: (offsetY / canvas.clientHeight) * canvas.height,
  });

  const listeners = {
    pointerdown(event) {
      if (event.button !== 0 || !event.isPrimary) return;
      point(last = inBuffer(event));
      drag = grabs(last.x) ? "divider" : "picture";
      canvas.setPointerCapture(event.pointerId);
    },
    pointermove(event) {
      if (!event.isPrimary) return; // a second finger
      const place = inBuffer(event);
      if (drag === "divider") moveDivider(place.x);
      if (drag === "picture") pan(place.x - last.x, place.y - last.y);
      last = place;
      point(place);
    },
    pointerup(event) {
      if (!event.isPrimary) return;
      if (drag === "divider") dropDivider();
      drag = null;
    },
    pointerleave: ({ pointerType }) => drag || pointerType === "touch" || point(null), // a lifted finger leaves
    dblclick(event) {
      const { x, y } = inBuffer(event);
      zoom(event.shiftKey ? 0.5 : 2, x, y);
    },
    wheel(event) {
      if (!event.ctrlKey && !event.metaKey) return; // else the page could not be scrolled past
      event.preventDefault();
      const { x, y } = inBuffer(event);
      zoom(Math.exp(-event.deltaY / 300), x, y);
    },
  };
  listeners.pointercancel = listeners.pointerup;
  for (const [name, listener] of Object.entries(listeners)) {
    canvas.addEventListener(name, listener, { passive: false });
  }
}
