// Keys and pointer over the picture. What they do to the state is decided by the viewer.

const PANS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// `actions`: a function for each key. Keys that mean nothing here stay with the notebook's page.
function listenToKeys(root, actions, pan) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.tagName;
    if (field === "SELECT" || (field === "INPUT" && event.key.startsWith("Arrow"))) return;
    if (event.shiftKey && PANS[event.key]) {
      pan(...PANS[event.key]);
    } else {
      const action = actions[event.key] ?? actions[event.key.toLowerCase()];
      if (!action) return;
      action();
    }
    event.preventDefault();
    event.stopPropagation();
  });
}

// Positions are given in pixels of the drawing buffer. `grabs(x)`: whether the divider is there.
function listenToPointer(canvas, { grabs, moveDivider, dropDivider, pan, point, zoom }) {
  let drag = null, last = null;

  const inBuffer = (event) => {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * canvas.width,
      y: ((event.clientY - box.top) / box.height) * canvas.height,
    };
  };

  const listeners = {
    pointerdown(event) {
      if (event.button !== 0) return;
      last = inBuffer(event);
      drag = grabs(last.x) ? "divider" : "picture";
      canvas.setPointerCapture(event.pointerId);
    },
    pointermove(event) {
      const place = inBuffer(event);
      if (drag === "divider") moveDivider(place.x);
      if (drag === "picture") pan(place.x - last.x, place.y - last.y);
      last = place;
      point(place);
    },
    pointerup() {
      if (drag === "divider") dropDivider();
      drag = null;
    },
    pointerleave() {
      if (!drag) point(null);
    },
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
