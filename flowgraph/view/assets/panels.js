// The panels around the picture: tooltip, details, search, legend, slowest operations, steps.

const byId = (id) => document.getElementById(id);

function html(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value);
  }
  for (const child of children) element.append(child);
  return element;
}

// ---------------------------------------------------------------------------------------- details

function costRows(item) {
  const rows = [];
  const {cost} = item;
  if (cost) {
    const estimate = cost.estimated ? " (est.)" : "";
    rows.push(["time", `${timeText(cost.time)}${estimate}, ${percent(cost.time, totalTime)} of the kernels`]);
    if (cost.flops) rows.push(["flops", `${flopsText(cost.flops)}, ${quantity(cost.flops / cost.time, [["Gflop/s", 1, "Gflop/s"]])}`]);
    if (cost.bytes) rows.push(["bytes", `${bytesText(cost.bytes)}, ${quantity(cost.bytes / cost.time, [["GB/s", 1, "GB/s"]])}`]);
  } else if (hasCosts) {
    rows.push(["time", "did not run, or the optimiser replaced it"]);
  }
  return rows;
}

function mainRows(item) {
  if (item.isScope) {
    return [["operations", String(item.inside.length)],
      ["types", counted(item.inside, (n) => n.type).slice(0, 8).map(([type, n]) => `${type} ${n}`).join(", ")],
      ...costRows(item)];
  }
  const rows = [["type", item.type]];
  if (item.site[0]) rows.push(["made at", item.site[0]]);
  item.outputs.forEach((spec, i) => rows.push([item.outputs.length > 1 ? `output ${i}` : "output", spec]));
  if (item.bytes !== null && item.outputs.length) rows.push(["size", bytesText(item.bytes)]);
  if (item.device) rows.push(["device", item.device]);
  return [...rows, ...costRows(item)];
}

function tableOf(rows) {
  return html("table", {}, ...rows.map(([key, value]) => html("tr", {}, html("td", {}, key), html("td", {}, value))));
}

function link(item, ...more) {
  const button = html("button", {onclick: () => choose(item, true)}, html("span", {class: "name"}, item.name || item.title));
  for (const text of more) if (text) button.append(html("div", {class: "muted"}, text));
  return html("li", {}, button);
}

function cellsPicture({cells}) {
  if (!cells) return "";
  const [rows, columns, numbers] = cells;
  const size = Math.max(2, Math.min(18, Math.floor(280 / columns)));
  const picture = html("canvas", {class: "cells", width: columns, height: rows, role: "img", "aria-label": "values as colours, blue below zero, red above"});
  picture.style.width = `${columns * size}px`;
  picture.style.height = `${rows * size}px`;
  const context = picture.getContext("2d");
  const largest = Math.max(1e-30, ...numbers.map((x) => Math.abs(x || 0)));
  numbers.forEach((x, i) => {
    const part = x === null ? 0 : Math.abs(x) / largest;
    const soft = Math.round(255 - 190 * part);
    context.fillStyle = x === null ? "#000" : x < 0 ? `rgb(${soft},${Math.round(255 - 120 * part)},255)` : `rgb(255,${Math.round(255 - 130 * part)},${soft})`;
    context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
  });
  return picture;
}

function valueOf(tensor, withName) {
  const parts = [];
  if (withName) parts.push(html("div", {class: "muted"}, `${tensor.name}  ${tensor.spec}`));
  if (tensor.value) parts.push(html("code", {class: "value"}, tensor.value.text), cellsPicture(tensor.value));
  if (tensor.gradient) {
    parts.push(html("div", {}, html("code", {class: "flow"}, "\u2190 " + tensor.gradient.text)), cellsPicture(tensor.gradient));
  }
  return html("div", {}, ...parts);
}

function showDetails() {
  byId("right").hidden = !chosen;
  const panel = byId("details");
  panel.replaceChildren();
  if (!chosen) return;
  const item = chosen;
  panel.append(html("h3", {}, item.isScope ? item.name || item.title : item.name));
  const members = item.isScope ? item.inside : [item];
  panel.append(html("div", {class: "row"}, ...[["What it needs", "tail"], ["What needs it", "head"]].map(([text, end]) =>
    html("button", {onclick: () => showPart(reachable(members, end)), title: "Fade everything else"}, text))));
  if (item.isScope) {
    panel.append(html("button", {onclick: () => toggle(item)}, item.open ? "Close the scope" : "Open the scope"));
    panel.append(tableOf(mainRows(item)));
    const hot = item.inside.filter((node) => node.cost).sort((a, b) => b.cost.time - a.cost.time).slice(0, 8);
    if (hot.length) {
      panel.append(html("h2", {}, "Slowest inside"));
      panel.append(html("ol", {class: "list"}, ...hot.map((node) => link(node, timeText(node.cost.time)))));
    }
    return;
  }
  panel.append(tableOf(mainRows(item)));
  if (item.site[1]) panel.append(html("pre", {}, html("code", {}, item.site[1])));
  if (item.notes || item.attrs) {
    panel.append(html("h2", {}, "Attributes"), html("pre", {}, html("code", {}, [item.notes, item.attrs].filter(Boolean).join("\n"))));
  }
  const values = outputsOf.get(item).filter((tensor) => tensor.value);
  if (values.length) {
    panel.append(html("h2", {}, hasBackward ? "Value and gradient" : "Value"));
    for (const tensor of values) panel.append(valueOf(tensor, values.length > 1));
  }
  if (item.cost && item.cost.kernel >= 0) {
    const others = nodes.filter((n) => n !== item && n.cost && n.cost.kernel === item.cost.kernel);
    if (others.length) {
      panel.append(html("h2", {}, `Ran in one kernel with (number ${item.cost.number})`));
      panel.append(html("ul", {class: "list"}, ...others.slice(0, 12).map((n) => link(n, n.type))));
    }
  }
  const near = (title, list, end) => {
    if (!list.length) return;
    panel.append(html("h2", {}, `${title} (${list.length})`));
    panel.append(html("ul", {class: "list"}, ...list.slice(0, 40).map((edge) =>
      link(edge[end], edge.tensors.map((t) => t.spec).join(", ") || "control dependency",
        edge.tensors.length === 1 && edge.tensors[0].value ? edge.tensors[0].value.text : ""))));
  };
  near("Inputs", item.edges.filter((edge) => edge.head === item), "tail");
  near("Goes to", item.edges.filter((edge) => edge.tail === item), "head");
  if (item.folded.length) {
    panel.append(html("h2", {}, "Drawn inside it"), html("pre", {}, html("code", {}, item.folded.join("\n"))));
  }
}

//: Fade all other nodes; Escape or another choice shows everything again.
function showPart(members) {
  kept = members;
  byId("hint").textContent = `${members.size} of ${nodes.length} nodes; Esc shows all`;
  mark();
}

function showAll() {
  if (kept) byId("hint").textContent = HINT;
  kept = null;
}

const HINT = byId("hint").textContent;

// ---------------------------------------------------------------------------------------- tooltip

function showTip(item, x, y) {
  const tip = byId("tip");
  tip.hidden = !item;
  if (!item) return;
  tip.replaceChildren(html("b", {}, item.isScope ? item.name || item.title : item.name), tableOf(mainRows(item)));
  if (!item.isScope && item.site[1]) tip.append(html("code", {}, item.site[1]));
  const tensor = !item.isScope && outputsOf.get(item).find((t) => t.value);
  if (tensor) tip.append(valueOf({...tensor, value: {text: tensor.value.text}, gradient: tensor.gradient && {text: tensor.gradient.text}}, false));
  const {width, height} = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(x + 16, window.innerWidth - width - 8)}px`;
  tip.style.top = `${y + 18 + height > window.innerHeight ? Math.max(4, y - height - 12) : y + 18}px`;
}

// --------------------------------------------------------------------------------- search, slowest

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = byId("found");
  list.replaceChildren();
  if (!words.length) return;
  const text = (item) => (item.isScope ? item.name : `${item.name} ${item.type} ${item.site[0]} ${item.site[1]} ${item.outputs.join(" ")}`).toLowerCase();
  const fits = (item) => {
    const all = text(item);
    return words.every((word) => all.includes(word));
  };
  const found = [...scopes.filter((s) => s !== top && !s.isGathered && fits(s)), ...nodes.filter(fits)];
  // First what begins like that, then names and types, then lines and shapes.
  const rank = (item) => {
    const [title, type] = [item.title.toLowerCase(), (item.type || "").toLowerCase()];
    if (title.startsWith(words[0])) return 0;
    return type.startsWith(words[0]) ? 1 : item.name.toLowerCase().includes(words[0]) ? 2 : 3;
  };
  found.sort((a, b) => rank(a) - rank(b));
  list.append(...found.slice(0, 60).map((item) => link(item, item.isScope ? `scope, ${item.inside.length} operations` : `${item.type}  ${item.outputs[0] || ""}`)));
  const more = found.length - 60;
  if (!found.length || more > 0) list.append(html("li", {class: "muted"}, found.length ? `and ${more} more` : "nothing found"));
}

function fillSlowest() {
  const hot = nodes.filter((node) => node.cost && node.cost.time > 0).sort((a, b) => b.cost.time - a.cost.time).slice(0, 25);
  byId("slow-section").hidden = !hot.length;
  byId("slow").append(...hot.map((node) => {
    const row = link(node, `${timeText(node.cost.time)}${node.cost.estimated ? " est." : ""}  ${percent(node.cost.time, totalTime)}  ${node.site[0]}`);
    const bar = html("div", {class: "bar"});
    bar.style.width = `${(100 * node.cost.time) / hot[0].cost.time}%`;
    row.firstChild.append(bar);
    return row;
  }));
}

function showLegend() {
  const legend = byId("legend");
  legend.replaceChildren();
  const current = colourings[colouring];
  if (current.scale) {
    const {what, from, to, missing} = current.scale();
    const scale = html("div", {class: "scale"});
    scale.style.background = `linear-gradient(90deg, ${heat().join(", ")})`;
    legend.append(scale, html("div", {class: "ends"}, html("span", {}, from), html("span", {}, what), html("span", {}, to)));
    const box = html("i", {});
    box.style.cssText = "background: var(--none); border-color: var(--none-line)";
    legend.append(html("span", {class: "muted"}, box, missing));
    return;
  }
  for (const [[fill, line], text] of current.legend()) {
    const box = html("i", {});
    box.style.background = fill;
    box.style.borderColor = line;
    legend.append(html("span", {}, box, text));
  }
}

// ------------------------------------------------------------------------------------------ steps

let playing = null;

function goTo(number) {
  step = Math.max(0, Math.min(number, steps.length));
  byId("slider").value = step;
  const panel = byId("step");
  panel.replaceChildren();
  if (!step) {
    panel.append(html("span", {class: "muted"}, `${steps.length} steps` + (hasBackward ? ", forward and back" : "") +
      (hasValues ? "" : "; values come with values=tf.view.record(...)")));
    mark();
    return;
  }
  const {node, backward} = steps[step - 1];
  if (byId("follow").checked) reveal(node);
  const part = backward ? "backward" : node.role === "forward" ? "forward" : ROLE_TEXTS[node.role];
  panel.append(html("div", {class: "muted"}, `${step} of ${steps.length} \u00b7 ${part}`), html("b", {}, node.name),
    html("div", {class: "muted"}, `${node.type}${node.cost ? "  " + timeText(node.cost.time) : ""}`));
  for (const edge of node.edges) {
    if (edge.head !== node || backward) continue;
    for (const tensor of edge.tensors) if (tensor.value) panel.append(valueOf({...tensor, gradient: null}, true));
  }
  const outputs = outputsOf.get(node).filter((tensor) => tensor.value);
  if (outputs.length) panel.append(html("div", {class: "muted"}, backward ? "flows back into" : "gives"));
  for (const tensor of outputs) panel.append(valueOf(backward ? tensor : {...tensor, gradient: null}, false));
  mark();
  keepInView(shownFor(node));
}

function play() {
  if (playing) {
    clearInterval(playing);
    playing = null;
  } else if (steps.length) {
    if (step >= steps.length) goTo(0);
    playing = setInterval(() => (step < steps.length ? goTo(step + 1) : play()), 700);
  }
  byId("play").textContent = playing ? "\u23f8\ufe0e" : "\u25b6\ufe0e";
  byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
}
