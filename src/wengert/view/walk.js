// Stepping, search, keys; and the start.
let calls = []; // in the order in which they ran
let step = 0, picked = -1, pickedGroup = -1, hits = [], hit = -1;
let language = "en";

const backwards = () => step > calls.length;
const current = () => (step === 0 ? -1 : backwards() ? calls[2 * calls.length - step] : calls[step - 1]);
const lastStep = () => (data.note ? 1 : 2) * calls.length;

function goTo(s) {
  step = Math.min(Math.max(s, 0), lastStep());
  picked = pickedGroup = -1;
  if (current() >= 0) follow(place_of[current()]);
  refresh();
}

function pick(i) {
  reveal(i);
  picked = i; pickedGroup = -1;
  follow(place_of[i]);
  refresh();
}

// Bring everything on the page to the state that the variables above say.
function refresh() {
  const c = current(), call = items[c], back = backwards();
  const ins = new Set(), outs = new Set();
  if (call) {
    for (const i of call.inputs) if (i >= 0) ins.add(place_of[i]);
    for (const i of call.outputs) outs.add(place_of[i]);
  }
  marks = {
    now: call ? place_of[c] : -1, ins, outs, found: new Set(hits.map((i) => place_of[i])), chosen: picked >= 0 ? place_of[picked] : pickedGroup >= 0 ? place_of[members[pickedGroup][0]] : -1,
    later: !call ? () => false : back ? (s) => s.item >= 0 && s.item < c && !ins.has(s.at) : (s) => s.item > Math.max(c, ...call.outputs) && s.kind !== "leaf",
  };
  paint();
  made.forEach(mark);
  $("picture").classList.toggle("backward", back);
  $("steps").value = step;
  $("step").textContent = step === 0 ? say.start : `${say.of(step, lastStep())}  ${back ? say.backward : say.forward}: ${call.name}`;
  $("first").disabled = $("back").disabled = step === 0;
  $("next").disabled = $("last").disabled = step === lastStep();
  $("details").replaceChildren(...panel(call, back));
}

function mark(s) {
  const list = s.element.classList, { now, ins, outs } = marks;
  if (s.route) return void list.toggle("now", now >= 0 && ((s.to === now && ins.has(s.from)) || (s.from === now && outs.has(s.to))));
  if (s.kind === "ghost") return;
  list.toggle("todo", marks.later(s) && s.at !== now);
  list.toggle("now", s.at === now);
  list.toggle("in", ins.has(s.at));
  list.toggle("out", outs.has(s.at));
  list.toggle("hit", marks.found.has(s.at));
  list.toggle("picked", s.at === marks.chosen);
}

function panel(call, back) {
  if (pickedGroup >= 0) return showGroup(pickedGroup);
  if (picked >= 0) return showItem(picked);
  if (call) {
    const phase = back ? "backward" : "forward";
    return [tag("span", say[phase], `tag ${phase}`), tag("h2", call.name), ...callParts(call, phase)];
  }
  const parts = [tag("p", say.intro(items.length - calls.length, calls.length))];
  if (data.note) parts.push(tag("h3", say.stopped), tag("pre", data.note));
  for (const i of data.outputs) parts.push(...showItem(i));
  return parts;
}

// ---- search ----

function search() {
  const text = $("search").value.trim().toLowerCase();
  const has = (words) => words.some((word) => word?.toLowerCase().includes(text));
  const named = new Set([...groups.keys()].filter((g) => has([groups[g].name])));
  const within = (g) => g >= 0 && (named.has(g) || within(groups[g].parent));
  hits = text ? [...items.keys()].filter((i) => has([items[i].name, items[i].label, items[i].shape, items[i].dtype, items[i].line, items[i].given]) || within(items[i].group ?? -1)) : [];
  hit = -1;
  $("found").textContent = text ? say.found(hits.length) : "";
  refresh();
}

function nextHit(by) {
  if (!hits.length) return;
  hit = (hit + by + hits.length) % hits.length;
  pick(hits[hit]);
  $("found").textContent = say.of(hit + 1, hits.length);
}

// ---- looks ----

function speak(to) {
  language = to;
  say = WORDS[to];
  document.documentElement.lang = to;
  for (const e of document.querySelectorAll("[data-tip]")) e.title = say[e.dataset.tip], e.setAttribute("aria-label", e.title);
  for (const e of document.querySelectorAll("[data-label]")) e.setAttribute("aria-label", say[e.dataset.label]);
  $("search").placeholder = say.search;
  $("search").setAttribute("aria-label", say.search);
  $("language").textContent = to === "en" ? "한" : "En";
  $("keys").replaceChildren(tag("h2", say.help), tag("table"));
  for (const [keys, text] of say.keys) {
    const line = tag("tr"), cell = tag("td");
    cell.append(...keys.split(" ").map((k) => tag("kbd", k)));
    line.append(cell, tag("td", text));
    $("keys").lastChild.append(line);
  }
}

function theme(dark) { document.documentElement.dataset.theme = dark ? "dark" : "light"; }
const isDark = () => document.documentElement.dataset.theme === "dark";
const allGroups = (fold) => { collapsed = new Set(fold ? groups.keys() : []); redraw(); };

// From the picked shape, or the step's call, to a neighbour.
function neighbour(up) {
  const i = picked >= 0 ? picked : current() >= 0 ? current() : data.outputs[0], item = items[i];
  const near = item.kind === "call" ? (up ? item.inputs.filter((k) => k >= 0) : item.outputs) : up ? [item.creator].filter((k) => k >= 0) : usesOf(i);
  if (near.length) pick(near[0]);
}

function enter() { // expand or collapse what is picked
  if (pickedGroup >= 0) return toggle(pickedGroup);
  const i = picked >= 0 ? picked : current();
  if (i < 0) return;
  const g = hiding(items[i]);
  if (g >= 0) toggle(g, true);
  else if (items[i].group !== undefined) toggle(items[i].group, false);
}

const actions = {
  ArrowRight: () => goTo(step + 1), ArrowLeft: () => goTo(step - 1), Home: () => goTo(0), End: () => goTo(lastStep()),
  ArrowUp: () => neighbour(true), ArrowDown: () => neighbour(false), Enter: enter,
  "/": () => $("search").focus(), "?": () => $("keys").showModal(), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit(),
  c: () => allGroups(true), e: () => allGroups(false), d: () => { theme(!isDark()); paint(); },
  l: () => { speak(language === "en" ? "ko" : "en"); refresh(); showGroups(); },
  Escape: () => { picked = pickedGroup = -1; hits = []; $("search").value = $("found").textContent = ""; refresh(); },
};

function listen() {
  const click = { first: "Home", back: "ArrowLeft", next: "ArrowRight", last: "End", smaller: "-", larger: "+", fit: 0, fold: "c", unfold: "e", language: "l", theme: "d", help: "?" };
  for (const id in click) $(id).onclick = () => actions[click[id]]();
  $("steps").max = lastStep();
  $("steps").oninput = () => goTo(Number($("steps").value));
  $("search").oninput = search;
  document.addEventListener("keydown", (event) => {
    const target = event.target, typing = target === $("search");
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    if (typing && event.key === "Enter") return void nextHit(event.shiftKey ? -1 : 1);
    if (typing && event.key !== "Escape") return;
    if (event.key === "Enter" && target.closest("button, summary")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
    if (typing) $("picture").focus();
  });
  const picture = $("picture");
  const grips = new Map(); // where each finger, or the mouse, was last
  let moved = false;
  picture.addEventListener("pointerdown", (event) => {
    if (!grips.size) moved = false;
    grips.set(event.pointerId, [event.clientX, event.clientY]);
  });
  window.addEventListener("pointermove", (event) => {
    const old = grips.get(event.pointerId), now = [event.clientX, event.clientY];
    if (!old || (!moved && Math.hypot(now[0] - old[0], now[1] - old[1]) < 4)) return;
    moved = true;
    grips.set(event.pointerId, now);
    const other = [...grips].find(([id]) => id !== event.pointerId)?.[1];
    if (other) { // two fingers: zoom around the one that rests
      const box = picture.getBoundingClientRect(), apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      return zoom(apart(now) / apart(old), other[0] - box.left, other[1] - box.top);
    }
    view.x += now[0] - old[0];
    view.y += now[1] - old[1];
    look();
  });
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, (event) => grips.delete(event.pointerId));
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = picture.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  const at = (event) => { // the shape there, and whether to go to it: from a ghost, or on the map
    const box = picture.getBoundingClientRect(), element = event.target.closest("[data-at]");
    const s = far ? shapeAt(event.clientX - box.left, event.clientY - box.top) : element && { at: element.dataset.at, kind: element.classList[0] };
    return s ? [shown[s.at], far || s.kind === "ghost"] : [];
  };
  picture.addEventListener("click", (event) => {
    if (moved) return;
    const [s, go] = at(event);
    [picked, pickedGroup] = s ? [s.item, s.group] : [-1, -1];
    if (go) follow(s.at);
    refresh();
  });
  picture.addEventListener("dblclick", (event) => {
    const [s] = at(event);
    if (s && s.group >= 0) { pickedGroup = -1; toggle(s.group, true); }
  });
  new ResizeObserver(look).observe(picture);
}

async function start() {
  data = await unpack($("data").textContent);
  items = data.items;
  groups = data.groups;
  members = groups.map(() => []);
  items.forEach((item, i) => {
    if (item.kind === "call") calls.push(i);
    for (let g = item.group ?? -1; g >= 0; g = groups[g].parent) members[g].push(i);
  });
  collapsed = new Set(data.collapsed ? groups.keys() : []);
  theme(matchMedia("(prefers-color-scheme: dark)").matches);
  speak(document.documentElement.lang || (navigator.language.startsWith("ko") ? "ko" : "en"));
  draw();
  fit(false);
  listen();
  refresh();
  showGroups();
  document.body.dataset.ready = Math.round(performance.now());
}
start();
