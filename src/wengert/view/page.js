// The picture: what is visible, its drawing, and the view on it.
const SVG = "http://www.w3.org/2000/svg", HEIGHT = 32;
const $ = (id) => document.getElementById(id);
let data, items, groups, members; // members[g]: the items in group g and in those inside it
let collapsed; // groups that are shown as one box
let shown = []; // what is drawn, in order: {item} or {group}, with place and elements
let place_of = []; // for each item: where it, or the group that hides it, is in `shown`
let wires = []; // drawn edges: {from, to, element}
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

function draw() {
  const boxes = new Map();
  shown = [];
  items.forEach((item, i) => {
    const g = hiding(item);
    if (g >= 0 && boxes.has(g)) return void (place_of[i] = boxes.get(g));
    place_of[i] = shown.length;
    if (g >= 0) boxes.set(g, shown.length);
    const label = g < 0 ? item.label : groups[g].name, count = g < 0 ? "" : `  ·  ${groups[g].count}`;
    shown.push({ item: g < 0 ? i : -1, group: g, label: label + count, width: g < 0 ? item.width : Math.max(60, textWidth(label + count) + 30) });
  });
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
  const shapes = document.createDocumentFragment(), lines = document.createDocumentFragment();
  wires = drawn.routes.map((route, k) => ({ from: edges[k][0], to: edges[k][1], element: make(lines, "path", { d: curve(route) }) }));
  for (const [p, x, y] of drawn.ghosts) {
    const ghost = make(shapes, "g", { class: "ghost", transform: `translate(${x} ${y})`, "data-at": p });
    make(ghost, "ellipse", { rx: 17, ry: 11 });
    make(ghost, "text", { y: 4 }, shown[p].label.slice(0, 4));
  }
  shown.forEach((s, p) => {
    const kind = s.group < 0 ? items[s.item].kind : "group";
    s.x = drawn.x[p]; s.y = drawn.y[p];
    s.element = make(shapes, "g", { class: kind, transform: `translate(${s.x} ${s.y})`, "data-at": p });
    if (s.item >= 0) s.element.dataset.item = s.item; else s.element.dataset.group = s.group;
    if (kind === "call" || kind === "group") make(s.element, "rect", { x: -s.width / 2, y: -HEIGHT / 2, width: s.width, height: HEIGHT, rx: kind === "call" ? 3 : 9 });
    else make(s.element, "ellipse", { rx: s.width / 2, ry: HEIGHT / 2 });
    make(s.element, "text", { y: 4.5 }, s.label);
    if (s.item >= 0 && items[s.item].cost) s.element.style.setProperty("--cost", heat(items[s.item]).toFixed(3));
  });
  $("shapes").replaceChildren(shapes);
  $("edges").replaceChildren(lines);
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

function look() { $("scene").setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.k})`); }

function zoom(factor, x = $("picture").clientWidth / 2, y = $("picture").clientHeight / 2) {
  const k = Math.min(4, Math.max(0.01, view.k * factor));
  view.x = x - (x - view.x) * (k / view.k);
  view.y = y - (y - view.y) * (k / view.k);
  view.k = k;
  look();
}

// The whole picture, if its labels stay legible; else (unless `all`) its beginning.
function fit(all = true) {
  const w = $("picture").clientWidth, h = $("picture").clientHeight;
  const k = Math.min((w - 40) / (drawn.width || 1), (h - 40) / (drawn.height || 1), 1.3);
  view = { k, x: (w - drawn.width * k) / 2, y: (h - drawn.height * k) / 2 };
  if (!all && k < 0.45) {
    const first = shown.reduce((a, b) => (b.y < a.y ? b : a));
    view = { k: 0.9, x: w / 2 - first.x * 0.9, y: 20 };
  }
  look();
}

// Bring a place into the middle, if it is outside of the view or too small to read.
function follow(p) {
  const s = shown[p], w = $("picture").clientWidth, h = $("picture").clientHeight;
  if (view.k < 0.45) view.k = 0.9;
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
