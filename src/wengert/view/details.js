// The panel beside the picture: a step, a variable, a call or a group.
let say; // the words of the language

function tag(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function link(text, action) {
  const button = tag("button", text);
  button.onclick = action;
  return button;
}

function row(...parts) {
  const div = tag("div", undefined, "row");
  div.append(...parts);
  return div;
}

// A value as text, or as figures, a histogram and an image.
function valueOf(v) {
  if (typeof v === "string") return tag("pre", v, "array");
  const box = tag("div"), figures = tag("div", undefined, "figures");
  for (const key of ["min", "mean", "max", "bad"])
    if (v[key] !== undefined && v[key] !== null && !(key === "bad" && v.bad === 0)) figures.append(tag("span", say[key], "soft"), tag("span", Number(v[key].toPrecision(7))));
  box.append(figures);
  if (v.bins) {
    const bars = tag("div", undefined, "bars");
    for (const b of v.bins) bars.append(tag("i")), (bars.lastChild.style.height = `${b}%`);
    box.append(bars);
  }
  if (v.image) box.append(imageOf(...v.image));
  return box;
}

function imageOf(rows, columns, text) {
  const canvas = tag("canvas"), bytes = atob(text);
  canvas.width = columns; canvas.height = rows;
  canvas.style.width = `${columns * Math.max(1, Math.floor(160 / Math.max(rows, columns)))}px`;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let i = 0; i < bytes.length; i++) {
    const b = bytes.charCodeAt(i), t = (b - 128) / 127, fade = Math.round(245 * (1 - Math.abs(t)));
    image.data.set(b === 0 ? [128, 128, 128, 255] : t > 0 ? [fade + 8, Math.round(fade * 0.8) + 50, 245, 255] : [245, Math.round(fade * 0.85) + 36, fade + 8, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

const gradOf = (v) => (v.grad === true ? v.flow : v.grad);
const nameOf = (v) => v.name ?? v.label;

const valueParts = (v, again) => (v === undefined ? [tag("div", say.lost, "soft")] : [valueOf(v), ...(again ? [tag("div", say.again, "soft note")] : [])]);

function valueRow(name, i, v) { // one that flows in or out
  const text = i >= 0 ? `${name} = ${nameOf(items[i])}` : `${name}: ${say.constant}`;
  const head = i >= 0 ? link(text, () => pick(i)) : tag("span", text, "soft");
  return row(head, ...(i >= 0 ? [" ", tag("span", `${items[i].dtype} ${items[i].shape}`, "soft")] : []), ...valueParts(v, items[i]?.again));
}

const formulaOf = (call) => data.formulas[call.formula];
const resultOf = (call) => formulaOf(call)?.result ?? "y";

function operands(call) { // as the formula names them
  const named = formulaOf(call)?.inputs ?? [];
  if (named.length === call.inputs.length) return named;
  return call.inputs.length === 1 ? ["x"] : call.inputs.map((_, k) => `x${k}`);
}

const lineParts = (at) => [...(data.lines[at] ? [tag("pre", data.lines[at])] : []), tag("code", at, "soft")];

function callParts(call, phase) {
  const parts = [], names = operands(call), result = resultOf(call), formula = formulaOf(call);
  if (formula) {
    parts.push(tag("h3", say.formula));
    if (phase !== "backward") parts.push(tag("pre", formula.forward.replace("…", () => [...names, call.given].filter(Boolean).join(", "))));
    if (phase !== "forward" && formula.backward.length) parts.push(tag("pre", formula.backward.join("\n")));
  }
  if (call.given && !formula?.forward.includes("…")) parts.push(tag("h3", say.given), tag("pre", call.given));
  if (phase !== "backward") {
    parts.push(tag("h3", say.reads), ...call.inputs.map((i, k) => valueRow(names[k], i, i >= 0 ? items[i].value : call.constants[k])));
    parts.push(tag("h3", say.makes), ...call.outputs.map((i) => valueRow(result, i, items[i].value)));
  } else {
    parts.push(tag("h3", say.reads), ...call.outputs.map((i) => flowRow(`g${result}`, i, items[i].flow)));
    parts.push(tag("h3", say.makes));
    call.inputs.forEach((i, k) => { if (i >= 0) parts.push(flowRow(`g${names[k]}`, i, call.flows?.[k] === true ? items[i].flow : call.flows?.[k])); });
  }
  if (formula) for (const source of new Set(formula.sources)) parts.push(tag("h3", say.rule), ...lineParts(source));
  parts.push(tag("h3", say.line), ...(call.line ? lineParts(call.line) : [tag("span", say.noLine, "soft")]));
  if (call.cost) parts.push(tag("h3", say.cost), tag("span", `${say.forward} ${call.cost[0] / 1e3} µs, ${say.backward} ${call.cost[1] / 1e3} µs`));
  return parts;
}

function flowRow(name, i, v) {
  return row(link(`${name} → ${nameOf(items[i])}`, () => pick(i)), v === undefined || v === null ? tag("div", say.nothing, "soft") : valueOf(v));
}

function inside(item) { // the groups around an item, each to collapse
  const parts = [];
  for (let g = item.group ?? -1; g >= 0; g = groups[g].parent) parts.push(row(tag("span", `${groups[g].name}  `), link(say.collapse, () => toggle(g, false))));
  return parts.length ? [tag("h3", say.inside), ...parts] : [];
}

function showItem(i) {
  const item = items[i];
  if (item.kind === "call") return [tag("h2", item.name), ...callParts(item), ...inside(item)];
  const grad = gradOf(item), parts = [tag("h2", item.name ?? item.label), tag("div", `${item.dtype} ${item.shape}`, "soft")];
  parts.push(tag("h3", say.value), ...valueParts(item.value, item.again));
  const shownGrad = tag("div");
  shownGrad.id = "grad";
  shownGrad.append(grad === undefined ? tag("span", say.none, "soft") : valueOf(grad));
  parts.push(tag("h3", say.grad), shownGrad);
  if (item.grad !== true) parts.push(tag("h3", say.flow), item.flow === undefined ? tag("span", say.nothing, "soft") : valueOf(item.flow));
  parts.push(tag("h3", say.madeBy), item.creator >= 0 ? row(link(items[item.creator].label, () => pick(item.creator))) : tag("span", say.leaf, "soft"));
  const uses = usesOf(i);
  if (uses.length) parts.push(tag("h3", say.usedBy), ...uses.slice(0, 12).map((k) => row(link(items[k].label, () => pick(k)))));
  if (uses.length > 12) parts.push(tag("span", say.more(uses.length - 12), "soft"));
  return [...parts, ...inside(item)];
}

let uses; // for each item: the calls that read it, found when first asked for
function usesOf(i) {
  if (!uses) {
    uses = items.map(() => new Set());
    items.forEach((c, k) => c.inputs?.forEach((v) => v >= 0 && uses[v].add(k)));
  }
  return [...uses[i]];
}

function showGroup(g) {
  return [tag("h2", groups[g].name), tag("div", say.calls(groups[g].count), "soft"), row(link(say.expand, () => toggle(g, true)))];
}

function showGroups() {
  const box = $("groups"), list = box.querySelector("ul"), most = 200;
  box.hidden = groups.length === 0;
  box.querySelector("summary").textContent = say.groups(groups.length);
  const depth = (g) => (groups[g].parent < 0 ? 0 : 1 + depth(groups[g].parent));
  const order = [], add = (parent) => (children.get(parent) ?? []).forEach((g) => { order.push(g); if (!collapsed.has(g)) add(g); });
  const children = new Map();
  groups.forEach((group, g) => children.has(group.parent) ? children.get(group.parent).push(g) : children.set(group.parent, [g]));
  add(-1);
  list.replaceChildren(...order.slice(0, most).map((g) => {
    const entry = tag("li");
    entry.style.paddingLeft = `${14 * depth(g)}px`;
    entry.append(link(`${collapsed.has(g) ? "▸" : "▾"} ${groups[g].name}`, () => toggle(g)), tag("span", `  ${groups[g].count}`, "soft"));
    return entry;
  }), ...(order.length > most ? [tag("li", say.more(order.length - most), "soft")] : []));
}
