// The picture: what is visible, its drawing, and the view on it.
const SVG = "http://www.w3.org/2000/svg", HEIGHT = 32;
const LEGIBLE = 0.6; // the scale below which labels cannot be read
const FEW = 300, MOST = 700; // shapes up to which all have elements, and most that do at a time
const $ = (id) => document.getElementById(id);
let data, items, groups, members; // members[g]: the items in group g and in those inside it
let collapsed; // groups that are shown as one box
let shown = []; // what is drawn, in order: {item} or {group}, with place and element
let ghosts = [];
let place_of = []; // for each item: where it, or the group that hides it, is in `shown`
let wires = []; // drawn edges: {from, to, route, element}
let strata = []; // for each rank: the shapes in it, and the wires that begin there
let made = new Set(); // the shapes and wires that have an element
let far = false; // whether the map is shown instead
let marks = { now: -1, chosen: -1, found: new Set(), ins: new Set(), outs: new Set(), later: () => false }; // what stands out: see refresh
let view = { x: 0, y: 0, k: 1 }, drawn = { width: 0, height: 0 };

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function make(parent, tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text; // text, never markup
  parent.append(element);
  return element;
}

// The outermost collapsed group that hides an item; -1 for none.
function hiding(item) {
  let found = -1;
  for (let g = item.group ?? -1; g >= 0; g = groups[g].parent) if (collapsed.has(g)) found = g;
  return found;
}

function edgesOf(i) { // pairs of items, as graph.py gives them
  const item = items[i];
  if (item.kind === "call") return item.inputs.filter((k) => k >= 0).map((k) => [k, i]);
  return item.creator >= 0 ? [[item.creator, i]] : [];
}

function draw() { // lay out what is visible; paint() makes the elements
  const boxes = new Map();
  shown = [];
  items.forEach((item, i) => {
    const g = hiding(item);
    if (g >= 0 && (boxes.has(g) || item.creator === -1)) return; // a box stands where its first call does, not a leaf
    place_of[i] = shown.length;
    if (g >= 0) boxes.set(g, shown.length);
    const label = g < 0 ? item.label : groups[g].name, count = g < 0 ? "" : `  ·  ${groups[g].count}`;
    const width = g < 0 ? item.width : Math.max(60, textWidth(label + count) + 30);
    shown.push({ kind: g < 0 ? item.kind : "group", item: g < 0 ? i : -1, group: g, label: label + count, width });
  });
  items.forEach((item, i) => { if (boxes.size) place_of[i] = boxes.get(hiding(item)) ?? place_of[i]; });
  const seen = new Set(), edges = [];
  items.forEach((_, i) => {
    for (const [a, b] of edgesOf(i)) {
      const p = place_of[a], q = place_of[b], boxed = shown[p].group >= 0 || shown[q].group >= 0;
      if (p === q || (boxed && seen.has(p * items.length + q))) continue; // one edge between a group and another shape
      seen.add(p * items.length + q);
      edges.push([p, q]);
    }
  });
  drawn = layout(shown.map((s) => s.width), edges);
  shown.forEach((s, p) => { s.at = p; s.x = drawn.x[p]; s.y = drawn.y[p]; });
  ghosts = drawn.ghosts.map(([p, x, y]) => ({ kind: "ghost", at: p, label: shown[p].label.slice(0, 4), width: 34, x, y }));
  wires = drawn.routes.map((route, k) => {
    const xs = route.map((point) => point[0]);
    return { from: edges[k][0], to: edges[k][1], route, left: Math.min(...xs), right: Math.max(...xs) };
  });
  strata = Array.from({ length: Math.round(drawn.height / RANK) }, () => ({ shapes: [], wires: [] }));
  for (const s of [...ghosts, ...shown]) strata[Math.floor(s.y / RANK)].shapes.push(s);
  for (const w of wires) strata[Math.floor(w.route[0][1] / RANK)].wires.push(w);
  made = new Set();
  $("shapes").replaceChildren();
  $("edges").replaceChildren();
}

// What is in the window. All of a small graph is, so that its elements are made once.
function visible() {
  if (shown.length <= FEW) return [[...ghosts, ...shown], wires];
  const left = -view.x / view.k, right = left + $("picture").clientWidth / view.k;
  const first = Math.floor(-view.y / view.k / RANK) - 1, last = first + Math.ceil($("picture").clientHeight / view.k / RANK) + 3;
  const shapes = [], lines = [];
  for (let r = Math.max(0, first - FAR); r <= Math.min(last, strata.length - 1); r++) {
    for (const w of strata[r].wires) if (w.left <= right && w.right >= left && w.route.at(-1)[1] >= first * RANK) lines.push(w);
    if (r >= first) for (const s of strata[r].shapes) if (s.x - s.width / 2 <= right && s.x + s.width / 2 >= left) shapes.push(s);
  }
  return [shapes, lines];
}

// Make the elements of what came into the window, and remove those of what left it. Too many become a map.
function paint() {
  const [shapes, lines] = visible();
  far = shapes.length > MOST;
  $("far").hidden = !far;
  $("scene").style.display = far ? "none" : "";
  if (far) return map(shapes, lines);
  const wanted = new Set([...shapes, ...lines]);
  for (const s of made) if (!wanted.has(s)) { s.element.remove(); made.delete(s); }
  const fresh = document.createDocumentFragment(), threads = document.createDocumentFragment();
  for (const w of lines) if (!made.has(w)) { w.element = make(threads, "path", { d: curve(w.route) }); made.add(w); mark(w); }
  for (const s of shapes) if (!made.has(s)) { shape(fresh, s); made.add(s); mark(s); }
  $("edges").append(threads);
  $("shapes").append(fresh);
}

function shape(parent, s) {
  s.element = make(parent, "g", { class: s.kind, transform: `translate(${s.x} ${s.y})`, "data-at": s.at });
  if (s.kind === "ghost") {
    make(s.element, "ellipse", { rx: 17, ry: 11 });
    make(s.element, "text", { y: 4 }, s.label);
    return;
  }
  if (s.item >= 0) s.element.dataset.item = s.item; else s.element.dataset.group = s.group;
  if (s.kind === "call" || s.kind === "group") make(s.element, "rect", { x: -s.width / 2, y: -HEIGHT / 2, width: s.width, height: HEIGHT, rx: s.kind === "call" ? 3 : 9 });
  else make(s.element, "ellipse", { rx: s.width / 2, ry: HEIGHT / 2 });
  make(s.element, "text", { y: 4.5 }, s.label);
  if (s.item >= 0 && items[s.item].cost) s.element.style.setProperty("--cost", heat(items[s.item]).toFixed(3));
}

// Very many shapes: dots of their colours.
function map(shapes, lines) {
  const canvas = $("far"), pen = canvas.getContext("2d"), ratio = devicePixelRatio || 1, k = view.k;
  const colours = getComputedStyle(document.documentElement), colour = (name) => colours.getPropertyValue(`--${name}`);
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  pen.setTransform(ratio * k, 0, 0, ratio * k, ratio * view.x, ratio * view.y);
  pen.strokeStyle = colour("wire");
  pen.lineWidth = Math.max(1.2, 0.4 / k);
  pen.beginPath();
  for (const { route } of lines) route.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
  const paints = Object.fromEntries(["value", "leaf", "output", "call"].map((kind) => [kind, colour(`${kind}-line`)]));
  paints.group = paints.call;
  paints.ghost = paints.leaf;
  const dot = (s, least) => {
    const w = Math.max(s.width, least / k), h = Math.max(HEIGHT, least / k);
    pen.fillRect(s.x - w / 2, s.y - h / 2, w, h);
  };
  for (const s of shapes) { pen.fillStyle = paints[s.kind]; dot(s, 1); }
  pen.fillStyle = colour("hot");
  for (const s of shapes) if (s.kind !== "ghost" && (s.at === marks.now || s.at === marks.chosen || marks.found.has(s.at))) dot(s, 6);
}

// The shape at a point of the window.
function shapeAt(x, y) {
  [x, y] = [(x - view.x) / view.k, (y - view.y) / view.k];
  return strata[Math.floor(y / RANK)]?.shapes.find((s) => Math.abs(s.x - x) <= Math.max(s.width / 2, 4 / view.k));
}

let hottest = 0;
function heat(call) {
  hottest ||= items.reduce((most, c) => Math.max(most, c.cost ? c.cost[0] + c.cost[1] : 0), 1);
  return (call.cost[0] + call.cost[1]) / hottest;
}

function curve(route) {
  const points = [...route];
  points[0] = [points[0][0], points[0][1] + HEIGHT / 2];
  points[points.length - 1] = [points.at(-1)[0], points.at(-1)[1] - HEIGHT / 2];
  let [x, y] = points[0], path = `M${x} ${y}`;
  for (const [u, v] of points.slice(1)) {
    const middle = (y + v) / 2;
    path += `C${x} ${middle} ${u} ${middle} ${u} ${v}`;
    [x, y] = [u, v];
  }
  return path;
}

// ---- the view ----

function look() {
  $("scene").setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.k})`);
  paint();
}

function zoom(factor, x = $("picture").clientWidth / 2, y = $("picture").clientHeight / 2) {
  const k = Math.min(4, Math.max(Math.min(0.01, scaleOfAll()), view.k * factor));
  view.x = x - (x - view.x) * (k / view.k);
  view.y = y - (y - view.y) * (k / view.k);
  view.k = k;
  look();
}

const scaleOfAll = () => Math.min(($("picture").clientWidth - 40) / (drawn.width || 1), ($("picture").clientHeight - 40) / (drawn.height || 1), 1.3);

// The whole picture, if its labels stay legible; else (unless `all`) its beginning.
function fit(all = true) {
  const w = $("picture").clientWidth, h = $("picture").clientHeight;
  const k = scaleOfAll();
  view = { k, x: (w - drawn.width * k) / 2, y: (h - drawn.height * k) / 2 };
  if (!all && k < LEGIBLE) {
    const wide = Math.min(0.9, (w - 40) / drawn.width), first = shown.reduce((a, b) => (b.y < a.y ? b : a));
    view = wide < LEGIBLE ? { k: 0.9, x: w / 2 - first.x * 0.9, y: 20 } : { k: wide, x: (w - drawn.width * wide) / 2, y: 20 };
  }
  look();
}

// Bring a place into the middle, if it is outside of the view or too small to read.
function follow(p) {
  const s = shown[p], w = $("picture").clientWidth, h = $("picture").clientHeight;
  if (view.k < LEGIBLE) view.k = 0.9;
  else {
    const x = s.x * view.k + view.x, y = s.y * view.k + view.y;
    if (x > 60 && x < w - 60 && y > 70 && y < h - 70) return;
  }
  view.x = w / 2 - s.x * view.k;
  view.y = h / 2 - s.y * view.k;
  look();
}

function redraw(keep) { // after groups changed: the shape that was clicked stays where it is
  const old = keep === undefined ? undefined : shown[place_of[keep]];
  const before = old && [old.x * view.k + view.x, old.y * view.k + view.y];
  draw();
  if (before) {
    const s = shown[place_of[keep]];
    view.x = before[0] - s.x * view.k;
    view.y = before[1] - s.y * view.k;
    look();
  } else fit(false);
  refresh();
  showGroups();
}

function toggle(g, open = collapsed.has(g)) {
  const keep = members[g][0];
  if (open) collapsed.delete(g); else collapsed.add(g);
  redraw(keep);
}

function reveal(i) { // expand the groups that hide an item
  let changed = false;
  for (let g = items[i].group ?? -1; g >= 0; g = groups[g].parent) changed = collapsed.delete(g) || changed;
  if (changed) redraw(i);
}
