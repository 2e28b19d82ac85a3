// The picture: frames, boxes and lines as SVG, and what is laid over them.
//
// All text is set as textContent: names and source lines are the user's.

const SVG = "http://www.w3.org/2000/svg";
const canvas = document.getElementById("canvas");
const stage = document.getElementById("stage");

function svg(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  if (parent) parent.appendChild(element);
  return element;
}

const defs = svg("defs", {}, canvas);
for (const [name, colour] of [["edge", "--edge"], ["gradient", "--gradient-line"], ["update", "--update-line"],
  ["initial", "--edge-soft"], ["in", "--in"], ["out", "--out"]]) {
  const marker = svg("marker", {id: "tip-" + name, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8,
    markerHeight: 8, orient: "auto-start-reverse", markerUnits: "userSpaceOnUse"}, defs);
  svg("path", {d: "M0,0.8 L8,4 L0,7.2 z", style: `fill: var(${colour})`}, marker);
}
const world = svg("g", {}, canvas);
const picture = svg("g", {role: "tree", "aria-label": model.title}, world);
const overlay = svg("g", {}, world);

//: Item -> {x, y (centre), width, height, element} of all that is shown.
let shown = new Map();

// ---------------------------------------------------------------------------------------- colours

const HEAT_LIGHT = ["#fffaf0", "#feebcb", "#fddba9", "#fdc98c", "#fbb272", "#f7985b", "#f07f48"];
const HEAT_DARK = ["#23242a", "#3a2f2b", "#52392b", "#6b442b", "#86502c", "#a45d30", "#c66a36"];
const isDark = () => document.documentElement.dataset.theme === "dark";
const heat = () => (isDark() ? HEAT_DARK : HEAT_LIGHT);

function counted(items, keyOf) {
  const counts = new Map();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function byKind(keyOf, missing) {
  const commonest = counted(nodes, keyOf).map(([key]) => key).filter((key) => key).slice(0, 9);
  const colourOf = new Map(commonest.map((key, i) => [key, [`var(--k${i})`, "var(--others-line)"]]));
  const one = (key) => colourOf.get(key) || (key ? ["var(--others)", "var(--others-line)"] : ["var(--none)", "var(--none-line)"]);
  return {
    colour(item) {
      if (!item.isScope) return one(keyOf(item));
      const keys = new Set(item.inside.map(keyOf));
      return keys.size === 1 ? one([...keys][0]) : ["var(--mixed)", "var(--mixed-line)"];
    },
    legend: () => [...commonest.map((key) => [one(key), key]),
      ...(missing && nodes.some((n) => !keyOf(n)) ? [[one(""), missing]] : []),
      [["var(--mixed)", "var(--mixed-line)"], "several"]],
  };
}

function byAmount(amountOf, textOf, what, missing) {
  let largest = 0;
  return {
    // Relative to the largest box shown: opening the hottest scope tells its parts apart.
    prepare() {
      largest = 0;
      for (const item of visibleBoxes()) largest = Math.max(largest, amountOf(item) || 0);
    },
    colour(item) {
      const amount = amountOf(item);
      if (amount === null) return ["var(--none)", "var(--none-line)"];
      const step = largest > 0 ? Math.min(Math.floor(Math.sqrt(amount / largest) * 7), 6) : 0;
      return [heat()[step], "var(--heat-line)"];
    },
    scale: () => ({what, from: "0", to: textOf(largest), missing}),
  };
}

const ROLE_TEXTS = {forward: "forward", gradient: "gradient", update: "update", initial: "initialisation", mixed: "several"};
const colourings = {
  role: {
    label: "part of the program",
    colour: (item) => [`var(--${item.role})`, `var(--${item.role}-line)`],
    legend: () => Object.entries(ROLE_TEXTS)
      .filter(([role]) => role === "mixed" ? scopes.length > 1 && scopes.some((s) => s.role === role) : nodes.some((n) => n.role === role))
      .map(([role, text]) => [[`var(--${role})`, `var(--${role}-line)`], text]),
  },
  type: {label: "operation type", ...byKind((node) => node.type)},
  device: {label: "device", ...byKind((node) => node.device, "no device asked for")},
};
if (hasCosts) {
  const cost = (field) => (item) => (item.cost ? item.cost[field] : null);
  colourings.time = {label: "measured time", ...byAmount(cost("time"), timeText, "time", "did not run")};
  colourings.flops = {label: "flops", ...byAmount(cost("flops"), flopsText, "flops", "did not run")};
  colourings.bytes = {label: "bytes moved", ...byAmount(cost("bytes"), bytesText, "bytes", "did not run")};
}
const sizes = (item) => (item.isScope ? item.inside.reduce((sum, node) => sum + (node.bytes || 0), 0) : item.bytes);
colourings.size = {label: "size of outputs", ...byAmount(sizes, bytesText, "bytes", "known only when run")};
let colouring = "role";

function* visibleBoxes(scope = top) {
  for (const child of scope.children) {
    if (child.isScope && child.open) yield* visibleBoxes(child);
    else yield child;
  }
}

// ---------------------------------------------------------------------------------------- drawing

function smooth(points) {
  if (points.length < 3) return "M" + points.map((p) => p.join(",")).join("L");
  let path = `M${points[0].join(",")}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const [nextX, nextY] = i === points.length - 2 ? points[i + 1] : [(x + points[i + 1][0]) / 2, (y + points[i + 1][1]) / 2];
    path += `Q${x.toFixed(1)},${y.toFixed(1)} ${nextX.toFixed(1)},${nextY.toFixed(1)}`;
  }
  return path;
}

//: Straight pieces with round corners.
function rounded(points) {
  let path = `M${points[0].join(",")}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [before, at, after] = [points[i - 1], points[i], points[i + 1]];
    const near = (to) => {
      const length = Math.hypot(to[0] - at[0], to[1] - at[1]) || 1;
      const part = Math.min(9, length / 2) / length;
      return [at[0] + (to[0] - at[0]) * part, at[1] + (to[1] - at[1]) * part];
    };
    path += `L${near(before).join(",")}Q${at.join(",")} ${near(after).join(",")}`;
  }
  return path + `L${points[points.length - 1].join(",")}`;
}

//: Out at the side, along the bus, and in at the side.
function busPath({bundle, bus}, places, left, upper) {
  const [from, to] = [places.get(bundle.a), places.get(bundle.b)];
  const [a, b] = [sizeOf(bundle.a), sizeOf(bundle.b)];
  const offset = bundle.writes ? 5 : -5;
  if (direction === "LR") {
    const [startX, startY] = [from.x + left + offset, from.y + a.height / 2 + upper];
    const [endX, endY] = [to.x + left + offset, to.y + b.height / 2 + upper];
    const y = bus + upper, on = endX > startX ? 8 : -8;
    return `M${startX},${startY}V${y - 8}q0,8 ${on},8H${endX - on}q${on},0 ${on},-8V${endY}`;
  }
  const x = bus + left, sign = x > from.x + left ? 1 : -1;
  const [startX, startY] = [from.x + left + (sign * a.width) / 2, from.y + upper + offset];
  const [endX, endY] = [to.x + left + (sign * b.width) / 2, to.y + upper + offset];
  const down = endY > startY ? 8 : -8;
  return `M${startX},${startY}H${x - 8 * sign}q${8 * sign},0 ${8 * sign},${down}V${endY - down}q0,${down} ${-8 * sign},${down}H${endX}`;
}

function roleOfEdge(bundle) {
  const role = bundle.b.role;
  if (role === "gradient" || role === "update" || role === "initial") return role;
  if (role === "mixed" && bundle.a.role !== "mixed") return bundle.writes ? "update" : "gradient";
  return bundle.a.role === "gradient" ? "gradient" : "";
}

function shapeOf(item, x, y, width, height) {
  const [left, right, upper, lower] = [x - width / 2, x + width / 2, y - height / 2, y + height / 2];
  if (item.isScope) return svg("rect", {x: left, y: upper, width, height, rx: 7});
  if (item.kind === "variable") {
    const lid = 5;
    return svg("path", {d: `M${left},${upper + lid} A${width / 2},${lid} 0 0 1 ${right},${upper + lid} V${lower - lid} ` +
      `A${width / 2},${lid} 0 0 1 ${left},${lower - lid} Z M${left},${upper + lid} A${width / 2},${lid} 0 0 0 ${right},${upper + lid}`});
  }
  if (item.kind === "placeholder") {
    return svg("path", {d: `M${left + 13},${upper} H${right} L${right - 13},${lower} H${left} Z`});
  }
  if (item.kind === "constant") return svg("ellipse", {cx: x, cy: y, rx: width / 2, ry: height / 2});
  if (item.kind === "group") {
    return svg("ellipse", {cx: x, cy: y, rx: width / 2, ry: height / 2, "stroke-dasharray": "4 3"});
  }
  return svg("rect", {x: left, y: upper, width, height, rx: 9});
}

function drawItem(item, x, y, parent) {
  const {width, height} = sizeOf(item);
  const isOpen = item.isScope && item.open;
  const group = svg("g", {class: `item ${item.isScope ? (isOpen ? "opened" : "closed") : "node"}`, id: item.id,
    role: "treeitem", "aria-label": describe(item)}, parent);
  if (item.isScope) group.setAttribute("aria-expanded", String(isOpen));
  shown.set(item, {x, y, width, height, element: group});
  if (isOpen) {
    const fill = `var(--frame${Math.min(item.depth, 3) - 1})`;
    svg("rect", {class: "frame", x: x - width / 2, y: y - height / 2, width, height, rx: 8, style: `fill: ${fill}`}, group);
    const head = svg("text", {class: "head", x: x - width / 2 + 12, y: y - height / 2 + 14}, group);
    head.textContent = "\u2212 " + item.title;
    drawInside(item, x - width / 2, y - height / 2, group);
    return;
  }
  const [fill, line] = item.kind === "constant" && colouring === "role" ? ["var(--paper)", `var(--${item.role}-line)`] : colourings[colouring].colour(item);
  const shape = shapeOf(item, x, y, width, height);
  shape.setAttribute("class", "shape");
  shape.setAttribute("style", `fill: ${fill}; stroke: ${line}`);
  group.appendChild(shape);
  const {lines} = boxOf(item);
  const step = (kind) => (kind === "small" ? 12 : 15);
  let at = y - lines.reduce((sum, [, kind]) => sum + step(kind), 0) / 2 + (item.kind === "variable" ? 4 : 0);
  for (const [text, kind] of lines) {
    svg("text", {class: kind, x, y: at + step(kind) / 2}, group).textContent = text;
    at += step(kind);
  }
}

function drawInside(scope, left, upper, parent) {
  const {places, lines} = scope.layout;
  for (const line of lines) {
    const {bundle} = line;
    const role = roleOfEdge(bundle);
    const points = line.points.map(([x, y]) => [x + left, y + upper]);
    if (points.length < 2 && line.bus === undefined) continue;
    const d = line.bus !== undefined ? busPath(line, places, left, upper) : line.square ? rounded(points) : smooth(points);
    const path = svg("path", {class: `edge ${role} ${bundle.tensors ? "" : "control"} ${line.bus === undefined ? "" : "bus"}`, d,
      "marker-end": `url(#tip-${role || "edge"})`}, parent);
    svg("title", {}, path).textContent = bundle.edges.slice(0, 8)
      .map(({tail, head, tensors: list}) => `${list.map((t) => `${t.name} ${t.spec}`).join(", ") || tail.name} \u2192 ${head.name}`).join("\n");
    if (bundle.writes) path.setAttribute("marker-start", `url(#tip-${role || "edge"})`);
    if (bundle.tensors > 1) path.setAttribute("style", `stroke-width: ${(1.1 + 0.45 * Math.log2(bundle.tensors)).toFixed(1)}`);
    if (line.text && line.at) {
      svg("text", {class: "label", x: line.at[0] + left, y: line.at[1] + upper}, parent).textContent = line.text;
    }
  }
  for (const [child, {x, y}] of places) drawItem(child, x + left, y + upper, parent);
}

function describe(item) {
  if (item.isScope) return `scope ${item.title}, ${item.inside.length} operations, ${item.open ? "open" : "closed"}`;
  return `${item.type} ${item.name}, ${item.outputs.join(" and ")}`;
}

//: Draw everything anew; keeps what is chosen.
function draw() {
  sizeOf(top);
  const amount = colourings[colouring];
  if (amount.prepare) amount.prepare();
  shown = new Map();
  picture.replaceChildren();
  drawInside(top, 0, 0, picture);
  mark();
}

// ---------------------------------------------------------------------------- chosen, here, steps

let chosen = null;   // what the panel shows
let here = null;     // where the keyboard is
let step = 0;        // how many steps are done; 0 shows none
let kept = null;     // the nodes that are not faded while a part of the graph is shown

//: All nodes before (``tail``) or behind (``head``) some nodes, with them.
function reachable(from, end) {
  const found = new Set(from), waiting = [...from];
  while (waiting.length) {
    const node = waiting.pop();
    for (const edge of node.edges) {
      const next = edge[end];
      if (next !== node && !found.has(next)) {
        found.add(next);
        waiting.push(next);
      }
    }
  }
  return found;
}

function mark() {
  for (const name of ["chosen", "here", "later", "now"]) {
    for (const element of picture.querySelectorAll("." + name)) element.classList.remove(name);
  }
  const put = (item, name) => {
    const place = item && shown.get(shownFor(item));
    if (place) place.element.classList.add(name);
  };
  if (kept && !step) {
    const boxes = new Set([...kept].map(shownFor));
    for (const [item, place] of shown) {
      if (!(item.isScope && item.open) && !boxes.has(item)) place.element.classList.add("later");
    }
  }
  put(chosen, "chosen");
  put(here, "here");
  if (here && shown.has(shownFor(here))) stage.setAttribute("aria-activedescendant", shownFor(here).id);
  if (step > 0) {
    const done = new Set(steps.slice(0, step).map(({node}) => shownFor(node)));
    for (const [item, place] of shown) {
      if (!(item.isScope && item.open) && !done.has(item)) place.element.classList.add("later");
    }
    put(steps[step - 1].node, "now");
  }
  trace(step > 0 ? steps[step - 1].node : chosen);
}

//: The exact edges of one node or scope, from box to box across all frames.
function trace(item) {
  overlay.replaceChildren();
  const isShown = Boolean(item) && !(item.isScope && item.open);
  canvas.classList.toggle("tracing", isShown);
  if (!isShown) return;
  const members = item.isScope ? item.inside : [item];
  const inside = new Set(members);
  const lines = new Map();
  for (const member of members) {
    for (const edge of member.edges) {
      const isIn = inside.has(edge.head);
      if (isIn && inside.has(edge.tail)) continue;
      const a = item.isScope && !isIn ? item : shownFor(edge.tail);
      const b = item.isScope && isIn ? item : shownFor(edge.head);
      const key = `${a.id} ${b.id}`;
      if (a === b || lines.size > 300 && !lines.has(key)) continue;
      if (!lines.has(key)) lines.set(key, {a, b, isIn, edges: []});
      lines.get(key).edges.push(edge);
    }
  }
  for (const {a, b, isIn, edges: list} of lines.values()) {
    const [from, to] = [shown.get(a) || shown.get(shownFor(a)), shown.get(b) || shown.get(shownFor(b))];
    if (!from || !to) continue;
    const [start, end] = ports(from, to);
    const isControl = list.every((edge) => !edge.tensors.length);
    const name = isIn ? "in" : "out";
    svg("path", {class: `trace ${name} ${isControl ? "control" : ""}`, d: bow(start, end),
      "marker-end": `url(#tip-${name})`}, overlay);
    const first = list.length === 1 && list[0].tensors[0];
    if (first && lines.size <= 14) {
      const middle = [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2];
      const text = first.value ? first.value.brief : first.spec;
      svg("text", {class: `note ${first.value ? "value" : ""}`, x: middle[0], y: middle[1] - 6}, overlay).textContent = text;
      if (first.gradient) {
        svg("text", {class: "note flow", x: middle[0], y: middle[1] + 8}, overlay).textContent = "\u2190 " + first.gradient.brief;
      }
    }
  }
}

function ports(from, to) {
  if (direction === "LR") {
    return [[from.x + from.width / 2, from.y], [to.x - to.width / 2, to.y]];
  }
  const sign = direction === "BT" ? -1 : 1;
  return [[from.x, from.y + (sign * from.height) / 2], [to.x, to.y - (sign * to.height) / 2]];
}

function bow([x1, y1], [x2, y2]) {
  if (direction === "LR") {
    const reach = Math.max(30, Math.abs(x2 - x1) / 2);
    return `M${x1},${y1}C${x1 + reach},${y1} ${x2 - reach},${y2} ${x2},${y2}`;
  }
  const reach = Math.max(30, Math.abs(y2 - y1) / 2) * (direction === "BT" ? -1 : 1);
  return `M${x1},${y1}C${x1},${y1 + reach} ${x2},${y2 - reach} ${x2},${y2}`;
}
