// Elements of the page. Text always enters as text, never as markup: names come from files.

const ICONS = { // paths on a 16 by 16 grid, drawn as lines
  previous: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
  swap: "M11 2.5 13.5 5 11 7.5M13.5 5h-11M5 8.5 2.5 11 5 13.5M2.5 11h11",
  overview: "M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5h-4.5zM2.5 9h4.5v4.5h-4.5zM9 9h4.5v4.5h-4.5z",
  light: "M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  full: "M6 2.5H2.5V6M10 2.5h3.5V6M6 13.5H2.5V10M10 13.5h3.5V10",
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

const button = (kind, name, title, onclick, ...content) => element(
  `button.${kind}`, { type: "button", title, "aria-label": content[0].tagName && title, "data-control": name, onclick },
  ...content);
const iconButton = (name, title, onclick) => button("icon", name, title, onclick, icon(name));

// Buttons of which one is pressed: {node, show(value, available)}.
function choice(label, options, onchoose) {
  const buttons = options.map(([value, text, title]) =>
    button("segment", value, title, () => onchoose(value), text));
  return {
    node: element("div.segments", { role: "group", "aria-label": label }, ...buttons),
    show: (current, available = null) => options.forEach(([value], position) => {
      buttons[position].setAttribute("aria-pressed", String(value === current));
      buttons[position].hidden = Boolean(available) && !available.includes(value);
    }),
  };
}

// A select over texts, empty ones left out: {node, setTexts(texts), show(position)}.
function menu(label, name, onchoose) {
  const select = element("select.menu", {
    "aria-label": label, title: label, "data-control": name,
    onchange: () => onchoose(select.selectedIndex),
  });
  return {
    node: select,
    setTexts: (texts) => select.replaceChildren(...texts.map((text) =>
      element("option", { hidden: !text, disabled: !text }, text))),
    show: (position) => { select.selectedIndex = position; },
  };
}

const field = (term, ...nodes) => element("label.field", {}, element("span.term", {}, term), ...nodes);

// A slider over percent with its name and value: {node, show(share)}.
function slider(name, [min, max], onmove, onrest) { // moving need not send a message each time
  const term = name[0].toUpperCase() + name.slice(1), value = element("span.value");
  const input = element("input.slider", {
    type: "range", min, max, step: 1, "aria-label": term, "data-control": name,
    oninput: () => onmove(input.value / 100), onchange: onrest,
  });
  return {
    node: field(term, input, value),
    show(share) {
      const whole = Math.round(100 * share);
      if (Number(input.value) !== whole) input.value = whole;
      value.textContent = `${whole} %`;
    },
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

// The classes: a row each with number, name and columns; a click switches, Shift-click singles out,
// pointing lights up.
class Legend {
  constructor(classes, { ontoggle, onsolo, onall, onpoint }) {
    const cells = () => Array.from({ length: 3 }, () => element("span.number"));
    this.rows = classes.map(({ name, color }, label) => {
      const own = cells();
      const row = element("button.class", {
        type: "button", "data-class": label,
        title: `${name}: switch on or off; with Shift: show nothing else`,
        onclick: (event) => (event.shiftKey ? onsolo(label) : ontoggle(label)),
        onpointerenter: ({ pointerType }) => pointerType === "mouse" && onpoint(label),
        onpointerleave: () => onpoint(null), onblur: () => onpoint(null),
        onfocus: () => row.matches(":focus-visible") && onpoint(label),
      }, swatch(color, String(label)), element("span.name", {}, name), ...own);
      return { row, cells: own, label };
    });
    const title = "Pixels that the annotators left without a class: they are not scored, and what "
      + "is predicted there is not counted above";
    const own = cells(), empty = element("span.swatch", {}, "–");
    const row = element("div.class.void", { "data-class": "void", title }, empty, element("span.name", {}, "void"), ...own);
    this.rows.push({ row, cells: own, label: VOID });
    this.heads = [cells(), cells()]; // twice, since below the picture the rows stand in two columns
    const all = button("link", "all", "Switch all classes on or off (A)", onall, "all / none");
    this.node = element("div.legend", { role: "group", "aria-label": "Classes" },
      element("div.heads", {}, element("div.head", {}, all, ...this.heads[0]),
        element("div.head", { "aria-hidden": "true" }, element("span.name"), ...this.heads[1])),
      element("div.classes", {}, ...this.rows.map((each) => each.row)));
  }

  // `columns`: those of `legendColumns`, for what `VIEWS` take.
  show(columns, { truth, a, b, off }) {
    const counts = [truth, a?.map, b?.map].filter(Boolean).map((map) => map.countsWithin(truth));
    const fill = (cells, text) => cells.forEach((cell, position) => {
      cell.hidden = position >= columns.length;
      cell.textContent = cell.hidden ? "" : text(columns[position]);
      cell.title = cell.hidden ? "" : columns[position].tip;
    });
    for (const head of this.heads) fill(head, ({ title }) => title);
    for (const { row, cells, label } of this.rows) {
      fill(cells, ({ text }) => text(label));
      if (label !== VOID) row.setAttribute("aria-pressed", String(!off.has(label)));
      row.hidden = label === VOID && !truth?.counts[VOID];
      row.classList.toggle("seglib-absent", !counts.some((count) => count[label]));
    }
  }

  point(label) {
    for (const each of this.rows) each.row.classList.toggle("seglib-pointed", each.label === label);
  }
}

// What is told of each class of a scene: [{title, tip, text(label)}], at most three.
function legendColumns({ truth, a, b }) {
  const share = (map, title, what) => ({
    title, tip: `Share of the frame: ${what}`,
    text(label) {
      const counts = label === VOID ? truth?.counts : map.countsWithin(truth);
      return percent(counts?.[label] / map.labels.length || null);
    },
  });
  const iou = ({ name, iou: values }, title) => ({
    title, tip: `IoU of ${name} in this scene, in %`,
    text: (label) => (label === VOID ? "" : percent(values[label], 0)),
  });
  const scored = (a?.miou ?? null) !== null, both = scored && (b?.miou ?? null) !== null;
  return [
    truth && share(truth, a ? "truth %" : "share %", "truth"),
    a && !both && share(a.map, truth ? "pred. %" : "share %", a.name),
    scored && iou(a, both ? "IoU A" : "IoU %"), both && iou(b, "IoU B"),
  ].filter(Boolean);
}

const KEYS = [
  ["← →", "previous, next scene"], ["R", "a random scene"], ["W", "the worst scene; → the next"],
  ["G", "all scenes"], ["P T E C", "prediction, truth, errors, confidence"],
  ["B", "A against B, then the next B"], ["M X", "next network A; swap A and B"],
  ["S", "one picture, swipe, two pictures"], ["K", "errors of the class pointed at, or of all"],
  ["hold H", "the bare photograph"], ["O", "areas or outlines"], ["[ ]", "less, more opacity"],
  [", .", "move the divider"], ["N", "class numbers"], ["A", "all classes on or off"],
  ["+ − 0", "zoom in, out, fit"], ["Shift + arrows", "pan"], ["L", "light of the photograph"],
  ["F", "full screen"], ["D", "download picture and mask"], ["Esc ?", "back to the notebook; this list"],
];

function helpPanel() {
  const rows = KEYS.map(([keys, text]) => element("div.shortcut", {}, element("kbd", {}, keys), text));
  return element("div.help", { hidden: true, role: "note" }, ...rows, element("p", {},
    "Drag to pan, double-click or Ctrl + wheel to zoom. Keys work once the picture has been clicked."));
}
