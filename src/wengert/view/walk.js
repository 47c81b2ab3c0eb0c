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
  const now = call ? place_of[c] : -1, end = call ? Math.max(c, ...call.outputs) : 0;
  const found = new Set(hits.map((i) => place_of[i])), chosen = picked >= 0 ? place_of[picked] : -1;
  shown.forEach((s, p) => {
    const list = s.element.classList;
    const later = call && s.item >= 0 && (back ? s.item < c && !ins.has(p) : s.item > end && items[s.item].kind !== "leaf");
    list.toggle("todo", Boolean(later) && p !== now);
    list.toggle("now", p === now);
    list.toggle("in", ins.has(p));
    list.toggle("out", outs.has(p));
    list.toggle("hit", found.has(p));
    list.toggle("picked", p === chosen || (s.group >= 0 && s.group === pickedGroup));
  });
  for (const w of wires) w.element.classList.toggle("now", now >= 0 && ((w.to === now && ins.has(w.from)) || (w.from === now && outs.has(w.to))));
  $("picture").classList.toggle("backward", back);
  $("steps").value = step;
  $("step").textContent = step === 0 ? say.start : `${say.of(step, lastStep())}  ${back ? say.backward : say.forward}: ${call.name}`;
  $("first").disabled = $("back").disabled = step === 0;
  $("next").disabled = $("last").disabled = step === lastStep();
  $("details").replaceChildren(...panel(call, back));
  showGroups();
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
  hits = text ? items.flatMap((item, i) => ([item.name, item.label, item.shape, item.dtype, item.line, item.given].some((t) => t?.toLowerCase().includes(text)) ? [i] : [])) : [];
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
  c: () => allGroups(true), e: () => allGroups(false), d: () => theme(!isDark()),
  l: () => { speak(language === "en" ? "ko" : "en"); refresh(); },
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
  let grip = null, moved = false;
  picture.addEventListener("pointerdown", (event) => { grip = [event.clientX, event.clientY]; moved = false; });
  window.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [dx, dy] = [event.clientX - grip[0], event.clientY - grip[1]];
    if (!moved && Math.hypot(dx, dy) < 4) return;
    moved = true;
    grip = [event.clientX, event.clientY];
    view.x += dx; view.y += dy;
    look();
  });
  window.addEventListener("pointerup", () => { grip = null; });
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = picture.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  const at = (event) => event.target.closest("[data-at]");
  picture.addEventListener("click", (event) => {
    if (moved) return;
    const s = at(event) && shown[at(event).dataset.at];
    if (!s) picked = pickedGroup = -1;
    else if (s.group >= 0) [picked, pickedGroup] = [-1, s.group];
    else if (at(event).classList.contains("ghost")) return pick(s.item);
    else [picked, pickedGroup] = [s.item, -1];
    refresh();
  });
  picture.addEventListener("dblclick", (event) => {
    const s = at(event) && shown[at(event).dataset.at];
    if (s && s.group >= 0) { pickedGroup = -1; toggle(s.group, true); }
  });
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
  document.body.dataset.ready = Math.round(performance.now());
}
start();
