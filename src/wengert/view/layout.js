// Where to draw what: step by step the same as layout.py, which explains it. A test compares the two.
const RANK = 58, GAP = 18, FAR = 24, FAR_LEAF = 3, SWEEPS = 6, BEND = 6, GHOST = 34, HEAVY = 4, LIGHT = 0.01;

function layout(widths, edges) {
  const n = widths.length, rank = ranks(n, edges), leaf = Array(n).fill(true);
  for (const [, b] of edges) leaf[b] = false;
  const size = [...widths], level = [...rank], weight = Array(n).fill(1);
  const before = widths.map(() => []), after = widths.map(() => []);
  const point = (width, at, heavy) => {
    size.push(width); weight.push(heavy); level.push(at); before.push([]); after.push([]);
    return size.length - 1;
  };
  const paths = [], ghosts = [];
  for (const [a, b] of edges) {
    const span = rank[b] - rank[a];
    let path = [a];
    if (span > FAR || (leaf[a] && span > FAR_LEAF) || span < 1) {
      path = [point(GHOST, Math.max(rank[b] - 1, 0), LIGHT)];
      ghosts.push([a, path[0]]);
    } else for (let r = rank[a] + 1; r < rank[b]; r++) path.push(point(BEND, r, HEAVY));
    path.push(b);
    for (let k = 1; k < path.length; k++) { after[path[k - 1]].push(path[k]); before[path[k]].push(path[k - 1]); }
    paths.push(path);
  }
  let x = columns(size, level, weight, before, after), left = 0, right = 0;
  x.forEach((c, i) => { left = i ? Math.min(left, c - size[i] / 2) : c - size[i] / 2; });
  x = x.map((c) => c - left);
  x.forEach((c, i) => { right = Math.max(right, c + size[i] / 2); });
  const y = level.map((r) => RANK * r + RANK / 2);
  return {
    x: x.slice(0, n), y: y.slice(0, n), routes: paths.map((path) => path.map((p) => [x[p], y[p]])), ghosts: ghosts.map(([a, p]) => [a, x[p], y[p]]),
    width: right, height: RANK * (level.reduce((a, b) => Math.max(a, b), -1) + 1),
  };
}

function ranks(n, edges) {
  const rank = Array(n).fill(0), into = Array.from({ length: n }, () => []), first = Array(n).fill(-1);
  for (const [a, b] of edges) if (a < b) into[b].push(a);
  for (let b = 0; b < n; b++) for (const a of into[b]) rank[b] = Math.max(rank[b], rank[a] + 1);
  for (const [a, b] of edges) if (a < b && (first[a] < 0 || rank[b] < first[a])) first[a] = rank[b];
  for (let a = 0; a < n; a++) if (!into[a].length && first[a] > 0) rank[a] = first[a] - 1;
  return rank;
}

function columns(size, level, weight, before, after) {
  const rows = new Map(), x = Array(size.length).fill(0), want = Array(size.length).fill(0);
  level.forEach((r, p) => (rows.has(r) ? rows.get(r).push(p) : rows.set(r, [p])));
  for (const row of rows.values()) place(row, want, size, weight, x);
  const down = [...rows.keys()].sort((a, b) => a - b), up = [...down].reverse();
  for (let sweep = 0; sweep <= SWEEPS; sweep++) {
    for (const r of sweep % 2 ? up : down) {
      const row = rows.get(r);
      for (const p of row) {
        let near = sweep % 2 ? after[p] : before[p];
        if (sweep === SWEEPS || !near.length) near = [...before[p], ...after[p]];
        let sum = 0, total = 0;
        for (const q of near) { total += weight[q]; sum += weight[q] * x[q]; }
        want[p] = near.length ? sum / total : x[p];
      }
      row.sort((p, q) => want[p] - want[q]);
      place(row, want, size, weight, x);
    }
  }
  return x;
}

function place(row, want, size, weight, x) {
  const offsets = [], blocks = [];
  let offset = 0, at = 0;
  row.forEach((p, k) => {
    if (k) offset += (size[row[k - 1]] + size[p]) / 2 + GAP;
    offsets.push(offset);
    let block = [weight[p] * (want[p] - offset), weight[p], 1];
    while (blocks.length && blocks.at(-1)[0] / blocks.at(-1)[1] >= block[0] / block[1]) {
      const left = blocks.pop();
      block = block.map((v, i) => left[i] + v);
    }
    blocks.push(block);
  });
  for (const [total, heavy, count] of blocks)
    for (let k = 0; k < count; k++, at++) x[row[at]] = total / heavy + offsets[at];
}

function textWidth(text) {
  let width = 0;
  for (const c of text) width += c.codePointAt(0) >= 0x1100 ? 13 : "mwMW@%".includes(c) ? 12.4 : 7.2;
  return width;
}
