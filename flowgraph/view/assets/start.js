// Moving about, the keyboard, and what happens first.

const view = {x: 0, y: 0, scale: 1};

function place() {
  world.setAttribute("transform", `translate(${view.x.toFixed(2)} ${view.y.toFixed(2)}) scale(${view.scale.toFixed(4)})`);
}

function fit() {
  const {width, height} = top.layout;
  const [outerWidth, outerHeight] = [stage.clientWidth, stage.clientHeight];
  view.scale = Math.min(1.25, (outerWidth - 30) / width, (outerHeight - 30) / height);
  view.x = (outerWidth - width * view.scale) / 2;
  view.y = (outerHeight - height * view.scale) / 2;
  place();
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.max(0.02, Math.min(6, view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  place();
}

//: Move just so far that ``item`` is in view, and large enough to read.
function keepInView(item, minimum = 0.55) {
  const found = shown.get(item);
  if (!found) return;
  if (view.scale < minimum) view.scale = minimum;
  const inset = 60;
  const within = (at, half, length, offset) => {
    const [low, high] = [(at - half) * view.scale + offset, (at + half) * view.scale + offset];
    if (low < inset || high > length - inset) return length / 2 - at * view.scale;
    return offset;
  };
  view.x = within(found.x, Math.min(found.width / 2, 150), stage.clientWidth, view.x);
  view.y = within(found.y, Math.min(found.height / 2, 100), stage.clientHeight, view.y);
  place();
}

// ---------------------------------------------------------------------------------- open and close

//: Redraw, with ``item`` staying where it is on the screen.
function redraw(item) {
  const before = item && shown.get(item);
  const at = before && [before.x * view.scale + view.x, (before.y - before.height / 2) * view.scale + view.y];
  draw();
  const after = item && shown.get(item);
  if (at && after) {
    view.x = at[0] - after.x * view.scale;
    view.y = at[1] - (after.y - after.height / 2) * view.scale;
    place();
  }
  showLegend();
}

function toggle(scope, open = !scope.open) {
  if (scope === top || scope.open === open) return;
  scope.open = open;
  forgetLayouts(scope);
  redraw(scope);
  if (open) fitIfSmall(scope);
  if (chosen === scope) showDetails();
}

//: An opened scope that is larger than the window is shown as a whole.
function fitIfSmall(scope) {
  const {x, y, width, height} = shown.get(scope);
  const [outerWidth, outerHeight] = [stage.clientWidth, stage.clientHeight];
  if (width * view.scale > outerWidth || height * view.scale > outerHeight) {
    view.scale = Math.max(0.3, Math.min(view.scale, (outerWidth - 40) / width, (outerHeight - 40) / height));
    view.x = outerWidth / 2 - x * view.scale;
    view.y = outerHeight / 2 - y * view.scale;
    place();
  } else {
    keepInView(scope, 0);
  }
}

//: Open every scope around ``item``.
function reveal(item) {
  let opened = false;
  for (let scope = item.parent; scope; scope = scope.parent) {
    if (!scope.open) {
      scope.open = opened = true;
      forgetLayouts(scope);
    }
  }
  if (opened) {
    draw();
    showLegend();
  }
}

function openLevel() {
  const closed = [...visibleBoxes()].filter((item) => item.isScope);
  let shownCount = [...visibleBoxes()].length;
  for (const scope of closed) {
    // A picture of more boxes than this takes long and shows nothing.
    if (shownCount + scope.children.length > 700) break;
    scope.open = true;
    shownCount += scope.children.length;
    forgetLayouts(scope);
  }
  draw();
  showLegend();
  fit();
}

function closeAll() {
  for (const scope of scopes) {
    scope.layout = null;
    scope.open = scope === top;
  }
  draw();
  showLegend();
  fit();
}

function choose(item, move) {
  if (item !== chosen) showAll();
  chosen = item;
  here = item || here;
  if (item && move) reveal(item);
  showDetails();
  mark();
  if (item && move) keepInView(shownFor(item));
}

// ------------------------------------------------------------------------------------ mouse, touch

function itemAt(target) {
  const element = target.closest && target.closest(".item");
  if (!element) return null;
  const number = Number(element.id.slice(1));
  return element.id[0] === "s" ? scopes[number] : nodes[number];
}

//: The mouse is at ``item``: tell of it, and show its exact edges unless others are shown.
let pointed = null;
function point(item, event) {
  showTip(item, event.clientX, event.clientY);
  if (item === pointed) return;
  pointed = item;
  if (!step && !chosen) trace(item);
}

const pointers = new Map();
let moved = false, spread = 0;

stage.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, event);
  moved = false;
  spread = 0;
  showTip(null);
});
window.addEventListener("pointerup", (event) => {
  pointers.delete(event.pointerId);
  stage.classList.remove("dragging");
});
window.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
stage.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) {
    if (event.pointerType === "mouse") point(itemAt(event.target), event);
    return;
  }
  const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
  if (!moved && Math.hypot(dx, dy) < 4) return;
  moved = true;
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) {
    const [a, b] = [...pointers.values()];
    const apart = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    const box = stage.getBoundingClientRect();
    if (spread) zoom(apart / spread, (a.clientX + b.clientX) / 2 - box.left, (a.clientY + b.clientY) / 2 - box.top);
    spread = apart;
    return;
  }
  stage.classList.add("dragging");
  view.x += dx;
  view.y += dy;
  place();
});
stage.addEventListener("pointerleave", (event) => point(null, event));
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  const amount = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
  zoom(Math.exp(-amount / 500), event.clientX - box.left, event.clientY - box.top);
}, {passive: false});
stage.addEventListener("click", (event) => {
  if (moved) return;
  const item = itemAt(event.target);
  if (item && item.isScope && item.open && event.target.closest(".item").querySelector(".head") &&
      event.offsetY !== undefined && isHead(event, item)) toggle(item, false);
  else choose(item === top ? null : item, false);
});
stage.addEventListener("dblclick", (event) => {
  const item = itemAt(event.target);
  if (item && item.isScope) toggle(item);
});

//: True for the sign at the head of an open scope.
function isHead(event, scope) {
  const box = stage.getBoundingClientRect();
  const {x, y, width, height} = shown.get(scope);
  const [atX, atY] = [(event.clientX - box.left - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale];
  return atX < x - width / 2 + 24 && atY < y - height / 2 + HEADER;
}

// --------------------------------------------------------------------------------------- keyboard

function neighbour(key) {
  const places = [...shown].filter(([item]) => !(item.isScope && item.open) || item === here);
  if (!here || !shown.has(shownFor(here))) return places.length ? places[0][0] : null;
  const from = shown.get(shownFor(here));
  const [dx, dy] = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]}[key];
  let best = null, least = Infinity;
  for (const [item, to] of places) {
    const along = (to.x - from.x) * dx + (to.y - from.y) * dy;
    const aside = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
    if (along > 4 && along + 2 * aside < least) {
      least = along + 2 * aside;
      best = item;
    }
  }
  return best || here;
}

const keys = {
  Enter() {
    if (!here) return;
    if (here.isScope) toggle(here);
    else choose(here, false);
  },
  Backspace() {
    const item = here || chosen;
    if (item && item.parent && item.parent !== top) {
      const outer = item.parent;
      here = outer;
      toggle(outer, false);
      mark();
    }
  },
  "/"() { byId("search").focus(); byId("search").select(); },
  "[": () => goTo(step - 1),
  "]": () => goTo(step + 1),
  " ": play,
  "+": () => zoom(1.25),
  "=": () => zoom(1.25),
  "-": () => zoom(0.8),
  f: fit,
  o: openLevel,
  c: closeAll,
  "?": () => byId("keys").showModal(),
  Escape() { goTo(0); choose(null, false); },
};

window.addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  if (typing) {
    if (event.key === "Escape") {
      if (event.target.id === "search") {
        event.target.value = "";
        search();
      }
      stage.focus();
    } else if (event.key === "Enter" && event.target.id === "search") {
      const first = byId("found").querySelector("button");
      if (first) first.click();
    }
    return;
  }
  if (event.target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter")) return;
  if (event.key.startsWith("Arrow")) {
    here = neighbour(event.key);
    showTip(null);
    if (here) {
      mark();
      trace(here);
      keepInView(shownFor(here), 0.3);
    }
  } else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
});

// ------------------------------------------------------------------------------------------ start

byId("title").textContent = model.title;
byId("summary").textContent = `${model.operations} operations` + (hasCosts ? `, ${timeText(totalTime)} in kernels` : "");
for (const [name, {label}] of Object.entries(colourings)) byId("colour").append(html("option", {value: name}, label));
byId("colour").addEventListener("change", (event) => {
  colouring = event.target.value;
  redraw(null);
});
byId("direction").addEventListener("change", (event) => {
  direction = event.target.value;
  for (const scope of scopes) scope.layout = null;
  draw();
  fit();
});
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  redraw(null);
});
byId("search").addEventListener("input", search);
byId("close").addEventListener("click", () => choose(null, false));
byId("collapse").addEventListener("click", closeAll);
byId("expand").addEventListener("click", openLevel);
byId("zoom-in").addEventListener("click", () => zoom(1.25));
byId("zoom-out").addEventListener("click", () => zoom(0.8));
byId("fit").addEventListener("click", fit);
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("first").addEventListener("click", () => goTo(0));
byId("previous").addEventListener("click", () => goTo(step - 1));
byId("next").addEventListener("click", () => goTo(step + 1));
byId("play").addEventListener("click", play);
byId("slider").max = steps.length;
byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
byId("steps-section").hidden = !steps.length;
if (window.matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark";

const began = performance.now();
if (hasCosts) {
  colouring = "time";
  byId("colour").value = "time";
}
// As much as can be read without zooming.
for (const limit of [60, 30, 12, 0]) {
  for (const scope of scopes.slice(1)) scope.open = false;
  for (const scope of scopes) scope.layout = null;
  openAtFirst(limit);
  const {width, height} = sizeOf(top);
  if (Math.min(stage.clientWidth / width, stage.clientHeight / height) > 0.5) break;
}
draw();
fit();
showLegend();
fillSlowest();
goTo(0);
//: For tests and the curious: how long the first draw took.
document.documentElement.dataset.drawn = (performance.now() - began).toFixed(1);
