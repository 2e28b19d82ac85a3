// Where everything stands: one layered layout per open scope, inner scopes first.
//
// A closed scope is a box of fixed size, an open one a box as large as its own layout, so a layout
// depends on nothing outside and is kept until something inside opens or closes.

const HEADER = 22, PADDING = 14;
let direction = "BT";

const measure = document.createElement("canvas").getContext("2d");
const widths = new Map();

function textWidth(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    measure.font = font;
    widths.set(key, measure.measureText(text).width);
  }
  return widths.get(key);
}

const FONT = "12px system-ui, sans-serif", BOLD = "bold 12px system-ui, sans-serif";
const SMALL = "10px system-ui, sans-serif";

function shortened(text, limit) {
  return text.length <= limit ? text : text.slice(0, limit / 2) + "\u2026" + text.slice(-limit / 2 + 1);
}

//: The lines that a closed scope or a node shows: [text, class].
function linesOf(item) {
  if (item.isScope) {
    const count = item.inside.length;
    return [[shortened(item.title, 30), "scope"], [`${count} operation${count === 1 ? "" : "s"}`, "small"]];
  }
  const lines = [[shortened(item.title, 30), ""]];
  const bare = item.title.split("/").pop().replace(/[_0-9]+$/, "");
  if (item.kind === "variable" || item.kind === "placeholder") {
    lines.push([item.outputs[0] || "", "small"]);
  } else if (item.kind !== "constant" && bare !== item.type) {
    lines.push([item.type, "small"]);
  }
  if (item.notes) {
    for (const note of item.notes.split("\n").slice(0, 3)) lines.push([shortened(note, 34), "small"]);
  }
  return lines;
}

function boxOf(item) {
  if (!item.box) {
    const lines = linesOf(item);
    let width = 40, height = 10;
    for (const [text, kind] of lines) {
      const font = kind === "small" ? SMALL : kind === "scope" ? BOLD : FONT;
      width = Math.max(width, textWidth(text, font));
      height += kind === "small" ? 12 : 15;
    }
    const slanted = item.kind === "placeholder" ? 26 : item.kind === "constant" ? 14 : item.kind === "group" ? 34 : 0;
    const lid = item.kind === "variable" ? 8 : 0;
    item.box = {lines, width: width + 20 + slanted, height: height + lid};
  }
  return item.box;
}

function bundleText(bundle) {
  if (!bundle.tensors) return "";
  const [spec] = bundle.specs;
  if (bundle.specs.size > 1) return `${bundle.tensors} tensors`;
  return bundle.tensors === 1 ? spec : `${bundle.tensors}\u00d7 ${spec}`;
}

function sizeOf(item) {
  if (item.isScope && item.open) {
    if (!item.layout) item.layout = layOut(item);
    return item.layout;
  }
  return boxOf(item);
}

function layOut(scope) {
  const graph = new dagre.graphlib.Graph({multigraph: true});
  const many = scope.children.length > 45;
  graph.setGraph({rankdir: direction, nodesep: 16, ranksep: many ? 26 : 30, edgesep: 8});
  graph.setDefaultEdgeLabel(() => ({}));
  for (const child of scope.children) {
    const {width, height} = sizeOf(child);
    graph.setNode(child.id, {width, height});
  }
  const labels = scope.bundles.size <= 70;
  const buses = busesOf(scope);
  for (const [key, bundle] of scope.bundles) {
    if (buses.has(bundle)) continue;
    const text = labels && isLabelled(bundle) ? bundleText(bundle) : "";
    const room = text ? {width: textWidth(text, SMALL) + 6, height: 12, labelpos: "c"} : {};
    // Forward edges pull harder, so that the forward part lies straight.
    const weight = bundle.a.role === "forward" && bundle.b.role === "forward" ? 6 : 1;
    graph.setEdge(bundle.a.id, bundle.b.id, {...room, weight, text}, key);
  }
  dagre.layout(graph);
  const size = graph.graph();
  const title = scope === top ? 0 : textWidth(scope.title, BOLD) + 44;
  const inner = {width: Number.isFinite(size.width) ? size.width : 0, height: Number.isFinite(size.height) ? size.height : 0};
  const width = Math.max(inner.width + 2 * PADDING, title);
  const sides = new Map();
  for (const bundle of buses) if (!sides.has(bundle.b)) sides.set(bundle.b, sides.size);
  // Room for the buses: at both sides, or below where values flow to the right.
  const outside = direction === "LR" ? 0 : 18 * Math.ceil(sides.size / 2);
  const below = direction === "LR" ? 16 * sides.size : 0;
  const shift = (width - inner.width) / 2 + outside;
  const head = scope === top ? PADDING : HEADER + PADDING / 2;
  const places = new Map();
  for (const child of scope.children) {
    const {x, y} = graph.node(child.id);
    places.set(child, {x: x + shift, y: y + head});
  }
  const lines = [];
  for (const [key, bundle] of scope.bundles) {
    if (buses.has(bundle)) {
      const number = sides.get(bundle.b);
      const beyond = 10 + 18 * Math.floor(number / 2);
      const x = number % 2 ? outside - beyond : width + outside + beyond;
      const y = inner.height + head + 14 + 16 * number;
      lines.push({bundle, bus: direction === "LR" ? y : x, points: [], text: ""});
      continue;
    }
    const found = graph.edge(bundle.a.id, bundle.b.id, key);
    const points = (found.points || []).map(({x, y}) => [x + shift, y + head]);
    const at = found.text && found.x !== undefined ? [found.x + shift, found.y + head] : null;
    lines.push({bundle, points, text: found.text, at});
  }
  const made = {width: width + 2 * outside, height: inner.height + head + PADDING + below, places, lines};
  return direction === "LR" || buses.size ? made : wrapped(made, head);
}

const GUTTER = 46;

//: A long chain as columns side by side, read like a page: else it would be a sliver.
function wrapped(made, head) {
  const columns = Math.round(Math.sqrt(made.height / (made.width + GUTTER) / 1.1));
  if (made.height < 1500 || columns < 2) return made;
  const tallest = (made.height - head) / columns;
  const up = direction === "BT";
  const columnOf = new Map(), ends = [];
  for (const [child, {y}] of made.places) {
    const along = up ? made.height - PADDING - y : y - head;
    const column = Math.max(0, Math.min(columns - 1, Math.floor(along / tallest)));
    columnOf.set(child, column);
    const half = sizeOf(child).height / 2;
    const [low, high] = ends[column] || [Infinity, -Infinity];
    ends[column] = [Math.min(low, y - half), Math.max(high, y + half)];
  }
  const heights = ends.map(([low, high]) => high - low);
  const height = Math.max(...heights) + 2 * 26;
  const move = (column, [x, y]) => {
    const [low, high] = ends[column];
    const at = up ? height - 26 - (high - y) : 26 + (y - low);
    return [x + column * (made.width + GUTTER), at + head];
  };
  const places = new Map();
  for (const [child, {x, y}] of made.places) {
    const [newX, newY] = move(columnOf.get(child), [x, y]);
    places.set(child, {x: newX, y: newY});
  }
  const lines = made.lines.map((line) => {
    const {a, b} = line.bundle;
    const [from, to] = [columnOf.get(a), columnOf.get(b)];
    if (from === to) return {...line, points: line.points.map((p) => move(from, p)), at: line.at && move(from, line.at)};
    // Out of the end of one column, through the gutter, into the start of the other.
    const sign = up ? -1 : 1;
    const start = places.get(a), end = places.get(b);
    const [leave, enter] = [start.y + (sign * sizeOf(a).height) / 2, end.y - (sign * sizeOf(b).height) / 2];
    const gutter = (from < to ? to : to + 1) * (made.width + GUTTER) - GUTTER / 2;
    const points = [[start.x, leave], [start.x, leave + 14 * sign], [gutter, leave + 14 * sign],
      [gutter, enter - 14 * sign], [end.x, enter - 14 * sign], [end.x, enter]];
    return {...line, points, at: null, square: true};
  });
  return {width: columns * (made.width + GUTTER) - GUTTER, height: height + head + PADDING, places, lines};
}

//: Bundles that run along the side: lines from three and more forward members into one scope of the
//: machinery (gradients, an optimizer) would bend the forward part otherwise.  One of them, from the
//: member made last, stays, to hold the machinery behind.
function busesOf(scope) {
  const into = new Map();
  for (const bundle of scope.bundles.values()) {
    const {a, b} = bundle;
    if (b.isScope && a.role === "forward" && b.role !== "forward") {
      if (!into.has(b)) into.set(b, []);
      into.get(b).push(bundle);
    }
  }
  const buses = new Set();
  for (const list of into.values()) {
    if (list.length < 3) continue;
    const last = (item) => (item.isScope ? Math.max(...item.inside.map((node) => node.index)) : item.index);
    list.sort((p, q) => last(p.a) - last(q.a));
    for (const bundle of list.slice(0, -1)) buses.add(bundle);
  }
  return buses;
}

//: Every layer has lines into the gradients; their shapes would drown the forward part's.
function isLabelled(bundle) {
  return bundle.tensors > 0 && !(bundle.a.role === "forward" && bundle.b.role !== "forward" && bundle.b.isScope);
}

function forgetLayouts(scope) {
  for (let outer = scope; outer; outer = outer.parent) outer.layout = null;
}

//: Open scopes level by level while few enough nodes are shown; the machinery stays closed.
function openAtFirst(limit) {
  let level = top.children.filter((child) => child.isScope);
  let shown = top.children.length;
  while (level.length) {
    const small = level.filter((scope) => scope.role === "forward" && scope.children.length <= limit);
    const more = small.reduce((sum, scope) => sum + scope.children.length - 1, 0);
    if (!small.length || shown + more > limit) break;
    for (const scope of small) scope.open = true;
    shown += more;
    level = small.flatMap((scope) => scope.children.filter((child) => child.isScope));
  }
}
