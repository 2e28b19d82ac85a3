// The model as objects: scopes and nodes of a tree, and what connects them.
//
//   scope  {isScope: true,  name, title, parent, depth, children, inside: all nodes, open, ...}
//   node   {isScope: false, name, title, parent, depth, kind, role, ...}

const model = JSON.parse(document.getElementById("model").textContent);

const scopes = model.scopes.map(([name, title, , kind], id) => ({
  isScope: true, id: "s" + id, name, title, isGathered: kind === 1, children: [], inside: [],
  parent: null, depth: 0, open: id === 0, layout: null, bundles: new Map(), role: "", cost: null,
}));
model.scopes.forEach(([, , parent], id) => {
  if (parent < 0) return;
  scopes[id].parent = scopes[parent];
  scopes[id].depth = scopes[parent].depth + 1;
  scopes[parent].children.push(scopes[id]);
});
const top = scopes[0];

const nodes = model.nodes.name.map((name, i) => {
  const fields = model.nodes;
  const parent = scopes[fields.scope[i]];
  const full = name.startsWith("/") ? parent.name + name : name;
  const node = {
    isScope: false, id: "n" + i, index: i, name: full, title: fields.title[i] || name.slice(1),
    parent, depth: parent.depth + 1, kind: fields.kinds[fields.kind[i]],
    role: fields.roles[fields.role[i]], type: fields.types[fields.type[i]],
    outputs: fields.outputs[i].map((spec) => fields.specs[spec]),
    device: fields.devices[fields.device[i]], site: fields.sites[fields.site[i]],
    notes: fields.texts[fields.notes[i]], attrs: fields.texts[fields.attrs[i]],
    folded: fields.folded[i], bytes: fields.bytes[i], cost: null, edges: [],
  };
  parent.children.push(node);
  for (let scope = parent; scope; scope = scope.parent) scope.inside.push(node);
  return node;
});

const tensors = model.tensors.map(([node, name, spec], i) => ({
  index: i, node: nodes[node], name: name || nodes[node].name + ":0", spec: model.specs[spec],
  value: null, gradient: null,
}));

const edges = model.edges.map(([tail, head, list, controls, writes]) => {
  const edge = {
    tail: nodes[tail], head: nodes[head], tensors: list.map((i) => tensors[i]), controls,
    writes: writes === 1,
  };
  edge.tail.edges.push(edge);
  edge.head.edges.push(edge);
  return edge;
});

for (const scope of scopes) {
  const roles = new Set(scope.inside.map((node) => node.role));
  if (roles.size > 1) roles.delete("initial");
  scope.role = roles.size === 1 ? [...roles][0] : "mixed";
}

// ------------------------------------------------------------------------------------------ costs

const costFields = ["time", "flops", "bytes"];
const hasCosts = Boolean(model.costs);
let totalTime = 0;
if (hasCosts) {
  for (const [i, time, flops, bytes, estimated, kernel, number] of model.costs.rows) {
    const cost = {time, flops, bytes, estimated: estimated === 1, kernel, number};
    nodes[i].cost = cost;
    totalTime += time;
    for (let scope = nodes[i].parent; scope; scope = scope.parent) {
      scope.cost = scope.cost || {time: 0, flops: 0, bytes: 0, estimated: false, kernel: -1};
      for (const field of costFields) scope.cost[field] += cost[field];
      scope.cost.estimated = scope.cost.estimated || cost.estimated;
    }
  }
}

function quantity(number, units) {
  for (const [unit, size] of units) {
    if (number >= size) return `${Number((number / size).toPrecision(3))} ${unit}`;
  }
  return `${Number(number.toPrecision(3))} ${units[units.length - 1][2] || ""}`.trim();
}
const timeText = (ns) => quantity(ns, [["s", 1e9], ["ms", 1e6], ["\u00b5s", 1e3, "ns"]]);
const bytesText = (n) => quantity(n, [["GB", 1e9], ["MB", 1e6], ["kB", 1e3, "B"]]);
const flopsText = (n) => quantity(n, [["Gflop", 1e9], ["Mflop", 1e6], ["kflop", 1e3, "flop"]]);
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "");

// --------------------------------------------------------------------------------- values, steps

const hasValues = Boolean(model.values);
const hasBackward = hasValues && model.values.backward;
if (hasValues) {
  for (const [i, [brief, text, cells], gradient] of model.values.rows) {
    tensors[i].value = {brief, text, cells};
    if (gradient) tensors[i].gradient = {brief: gradient[0], text: gradient[1], cells: gradient[2]};
  }
}
const outputsOf = new Map(nodes.map((node) => [node, []]));
for (const tensor of tensors) outputsOf.get(tensor.node).push(tensor);

//: In order of running; backward steps go through the recorded gradients, last node first.
const steps = model.steps.map((i) => ({node: nodes[i], backward: false}));
if (hasBackward) {
  const flowing = steps.filter(({node}) => outputsOf.get(node).some((t) => t.gradient));
  for (const {node} of flowing.reverse()) steps.push({node, backward: true});
}

// -------------------------------------------------------------------------------------- bundles

//: Each edge belongs to the lowest scope around both ends, between two of its members.
for (const edge of edges) {
  let [a, b] = [edge.tail, edge.head];
  while (a.depth > b.depth) a = a.parent;
  while (b.depth > a.depth) b = b.parent;
  while (a.parent !== b.parent) [a, b] = [a.parent, b.parent];
  const key = `${a.id} ${b.id}`;
  const bundles = a.parent.bundles;
  if (!bundles.has(key)) {
    bundles.set(key, {a, b, edges: [], tensors: 0, controls: 0, writes: false, specs: new Set()});
  }
  const bundle = bundles.get(key);
  bundle.edges.push(edge);
  bundle.tensors += edge.tensors.length;
  bundle.controls += edge.controls;
  bundle.writes = bundle.writes || edge.writes;
  for (const tensor of edge.tensors) bundle.specs.add(tensor.spec);
}

//: The closed scope that shows a node, or the node itself.
function shownFor(item) {
  let shown = item;
  for (let scope = item.parent; scope; scope = scope.parent) if (!scope.open) shown = scope;
  return shown;
}
