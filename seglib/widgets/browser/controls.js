// Elements of the page. Text always enters as text, never as markup: names come from files.

const ICONS = { // paths on a 16 by 16 grid, drawn as lines
  previous: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
  random: "M2 4.5h2.5l6 7H14M2 11.5h2.5l2-2.4M8.5 6.8l2-2.3H14M12 2.5l2 2-2 2M12 9.5l2 2-2 2",
  worst: "M2 3.5l4 4.5 2.5-2L14 12M14 8v4h-4",
  save: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  less: "M3.5 8h9",
  more: "M3.5 8h9M8 3.5v9",
  help: "M5.8 6a2.2 2.2 0 1 1 3 2.1c-.6.3-.8.7-.8 1.4M8 12.2v.1",
};

// element("button.small", {title: "…"}, child, "text")
function element(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag);
  node.classList.add(...classes.map((name) => `seglib-${name}`));
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function iconButton(name, title, onclick) {
  const options = { type: "button", title, "aria-label": title, "data-control": name, onclick };
  return element("button.icon", options, icon(name));
}

// Buttons of which one is pressed: {node, show(value, available)}.
function choice(label, options, onchoose) {
  const buttons = options.map(([value, text, title]) =>
    element("button.segment", {
      type: "button", title, "data-control": value, "aria-pressed": "false",
      onclick: () => onchoose(value),
    }, text));
  return {
    node: element("div.segments", { role: "group", "aria-label": label }, ...buttons),
    show(current, available = options.map(([value]) => value)) {
      options.forEach(([value], position) => {
        buttons[position].setAttribute("aria-pressed", String(value === current));
        buttons[position].hidden = !available.includes(value);
      });
    },
  };
}

// A select over texts: {node, setTexts(texts), show(position)}.
function menu(label, name, onchoose) {
  const select = element("select.menu", {
    "aria-label": label, title: label, "data-control": name,
    onchange: () => onchoose(select.selectedIndex),
  });
  return {
    node: select,
    setTexts: (texts) => select.replaceChildren(...texts.map((text) => element("option", {}, text))),
    show: (position) => { select.selectedIndex = position; },
  };
}

function percent(share, digits = 1) {
  if (share === null || share === undefined) return "–";
  const value = 100 * share;
  return value > 0 && value < 0.05 && digits === 1 ? "<0.1" : value.toFixed(digits);
}

function swatch(color, text) {
  const node = element("span.swatch", {}, text);
  node.style.setProperty("--seglib-color", `rgb(${color.slice(0, 3).join(" ")})`);
  node.style.setProperty("--seglib-ink", brightness(color) > 140 ? "#111" : "#fff");
  return node;
}

// The classes: a row each with number, name, shares and IoU; a click switches, Shift-click singles out.
class Legend {
  constructor(classes, { ontoggle, onsolo, onall }) {
    this.rows = classes.map(({ name, color }, label) => {
      const cells = ["first", "second", "iou"].map((kind) => element(`span.number.${kind}`));
      const row = element("button.class", {
        type: "button", "data-class": label, "aria-pressed": "true",
        title: `${name}: switch on or off; with Shift: show nothing else`,
        onclick: (event) => (event.shiftKey ? onsolo(label) : ontoggle(label)),
      }, swatch(color, String(label)), element("span.name", {}, name), ...cells);
      return { row, cells };
    });
    const cells = ["first", "second", "iou"].map((kind) => element(`span.number.${kind}`));
    const title = "Pixels that the annotators left without a class: they are not scored, and what "
      + "is predicted there is not counted above";
    this.void = { cells, row: element("div.class.void", { "data-class": "void", title },
      element("span.swatch", {}, "–"), element("span.name", {}, "void"), ...cells) };
    const all = element("button.link", {
      type: "button", "data-control": "all", title: "Switch all classes on or off (A)", onclick: onall,
    }, "all / none");
    // Twice, because below the picture the rows stand in two columns.
    this.heads = [0, 1].map(() => ["first", "second", "iou"].map((kind) => element(`span.number.${kind}`)));
    this.node = element("div.legend", { role: "group", "aria-label": "Classes" },
      element("div.heads", {},
        element("div.head", {}, all, ...this.heads[0]),
        element("div.head", { "aria-hidden": "true" }, element("span.name"), ...this.heads[1])),
      element("div.classes", {}, ...this.rows.map(({ row }) => row), this.void.row));
  }

  // `maps`: up to two label maps with their column titles; `iou`: by class, or null; `truth`: the map
  // outside whose void pixels are counted, or null.
  show({ maps, iou, hidden, truth }) {
    const columns = [0, 1].map((position) => maps[position]);
    for (const head of this.heads) {
      columns.forEach((column, position) => {
        head[position].textContent = column ? `${column.title} %` : "";
        head[position].hidden = !column;
        if (column) head[position].title = `Share of the frame: ${column.title}`;
      });
      head[2].textContent = "IoU %";
      head[2].hidden = !iou;
    }
    this.rows.forEach(({ row, cells }, label) => {
      let present = false;
      columns.forEach((column, position) => {
        cells[position].hidden = !column;
        if (!column) return;
        const count = column.map.countsWithin(truth)[label];
        present ||= count > 0;
        cells[position].textContent = count ? percent(count / column.map.labels.length) : "–";
      });
      cells[2].hidden = !iou;
      cells[2].textContent = iou ? percent(iou[label], 0) : "";
      row.setAttribute("aria-pressed", String(!hidden.has(label)));
      row.classList.toggle("seglib-absent", !present);
    });
    const voids = truth ? truth.counts[VOID] : 0;
    this.void.row.hidden = !voids;
    columns.forEach((column, position) => {
      this.void.cells[position].hidden = !column;
      this.void.cells[position].textContent = truth ? percent(voids / truth.labels.length) : "";
    });
    this.void.cells[2].hidden = !iou;
  }

  point(label) {
    this.rows.forEach(({ row }, position) => row.classList.toggle("seglib-pointed", position === label));
  }
}

const KEYS = [
  ["← →", "previous, next scene"], ["R", "random scene"], ["W", "worst scene, then the next worst"],
  ["M", "next model"], ["P T S E", "prediction, truth, swipe, errors"], ["F O", "fill, outline"],
  ["[ ]", "less, more opacity"], [", .", "move the divider"], ["N", "class numbers"],
  ["A", "all classes on or off"], ["+ − 0", "zoom in, out, fit"], ["Shift + arrows", "pan"],
  ["D", "download picture and mask"], ["Esc", "back to the notebook"], ["?", "this list"],
];

function helpPanel() {
  const rows = KEYS.map(([keys, text]) =>
    element("div.key", {}, element("kbd", {}, keys), element("span", {}, text)));
  return element("div.help", { hidden: true, role: "note" }, ...rows, element("p", {},
    "Drag to pan, double-click or Ctrl + wheel to zoom. Keys work once the picture has been clicked."));
}
