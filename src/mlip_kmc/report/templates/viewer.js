"use strict";
// The page's three-dimensional viewer: one dialog that plays a process, or the trajectory, with 3Dmol.js.
(() => {
  const scenes = JSON.parse(document.getElementById("scenes").textContent);
  const byId = (name) => document.getElementById(`viewer-${name}`);
  const dialog = document.getElementById("viewer");
  const keys = Object.keys(scenes);
  // what is drawn in is never hidden, as 3Dmol.js would then draw on nothing: between two showings it waits out of sight
  const host = document.createElement("div");
  host.className = "host";
  const radii = { H: 0.31, C: 0.76, N: 0.71, O: 0.66, F: 0.57, Si: 1.11, S: 1.05 };
  const palette = ["--k0", "--k1", "--k2", "--k3"];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let view = null, start = null, scene = null, model = null, atoms = [], home = [], near = [], at = 0, size = "", playing = false, last = 0, due = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const mixed = (one, other, part) => {
    const parse = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
    const [a, b] = [parse(one), parse(other)];
    return "#" + a.map((value, k) => Math.round(value * (1 - part) + b[k] * part).toString(16).padStart(2, "0")).join("");
  };
  const triples = (flat) => Array.from({ length: flat.length / 3 }, (_, k) => flat.slice(3 * k, 3 * k + 3).map((one) => one / 100));
  const point = ([x, y, z]) => ({ x, y, z });
  const isFilm = () => scene.frames !== undefined;
  const isStill = () => scene.of !== undefined;

  // rows of the inverse of a cell whose rows are vectors, for fractional coordinates
  function inverse([a, b, c]) {
    const cross = (p, q) => [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]];
    const volume = a[0] * cross(b, c)[0] + a[1] * cross(b, c)[1] + a[2] * cross(b, c)[2];
    return [cross(b, c), cross(c, a), cross(a, b)].map((row) => row.map((value) => value / volume));
  }

  // the image of each place that is nearest, cell by cell, to the middle of what moves
  function around(places, middle, cell) {
    const rows = inverse(cell);
    return places.map((place) => {
      const off = place.map((value, k) => value - middle[k]);
      const cells = rows.map((row) => Math.round(row[0] * off[0] + row[1] * off[1] + row[2] * off[2]));
      return off.map((value, k) => value - cells[0] * cell[0][k] - cells[1] * cell[1][k] - cells[2] * cell[2][k]);
    });
  }

  function open(key, frame = 0) {
    scene = scenes[key];
    if (!scene) return;
    if (scene.of) scene = { ...scenes[scene.of], ...scene, moving: [], moved: [], saddle: [], product: [] }; // a state alone
    byId("playing").hidden = isStill();
    if (!dialog.open) dialog.showModal();
    byId("title").textContent = scene.title;
    byId("canvas").append(host);
    if (!view) create();
    dialog.dataset.key = key;
    byId("which").value = key;
    byId("at").max = isFilm() ? scene.frames.length - 1 : 100;
    drawOnce(() => {
      fit();
      build();
      set(isFilm() ? scene.frames.length - 1 : 0); // a film is fitted with all its hops
      turn();
      set(frame);
    });
    play(!still.matches && !isStill() && !frame);
    byId("canvas").focus();
  }

  // 3Dmol.js watches its element and draws it anew when it is seen, and where it waits out of sight: here where its size changes in sight
  function create() {
    view = $3Dmol.createViewer(host, { antialias: true, backgroundColor: colour("--paper") });
    for (const watcher of [view.divwatcher, view.intwatcher]) watcher?.disconnect();
    new ResizeObserver(() => { if (dialog.open && sizeOf() !== size) fit(); }).observe(host);
  }

  const sizeOf = () => `${host.clientWidth} ${host.clientHeight}`;

  function fit() {
    size = sizeOf();
    view.resize();
  }

  function turn() {
    start = start || view.getView();
    view.setView(start);
    if (scene.axis === 0) view.rotate(-90, "y");
    if (scene.axis === 1) view.rotate(90, "x");
    view.rotate(isFilm() ? 20 : 10, "x");
    view.rotate(isFilm() ? 25 : 8, "y");
    view.zoomTo();
    if (!isFilm() && !isStill()) view.zoom(1.5);
  }

  // 3Dmol.js draws after each change of the view, its background and its labels: of several, only what they lead to is drawn
  function drawOnce(changes) {
    view.show = () => view;
    try { changes(); } finally { delete view.show; }
    view.render();
  }

  // what a click on a mark of a figure leads to: a function, or nothing where the page has no such scene
  const film = scenes.film && scenes.film.frames;
  const toFrame = (fits) => {
    const frame = film ? film.findIndex(fits) : -1;
    return frame < 0 ? null : () => open("film", frame);
  };
  const toState = (number) => (scenes[`state-${number}`] ? () => open(`state-${number}`) : toFrame((one) => one.state === number));
  const toStep = (step) => toFrame((one) => one.step >= step);
  const toTime = (time_s) => open("film", film.findLastIndex((one) => one.time_s <= time_s));

  function build() {
    const cell = triples(scene.cell);
    const middle = isFilm() ? [0, 0, 0] : scene.around.map((one) => one / 100);
    home = isFilm() ? triples(scene.at) : around(triples(scene.at), middle, cell);
    const fixed = new Set(scene.fixed);
    const marked = new Set(isFilm() ? scene.frames.flatMap((frame) => frame.hops.map((hop) => hop[0])) : scene.moved);
    const places = [...marked].map((atom) => home[atom]);
    near = home.map((place) => Math.min(...places.map((other) => Math.hypot(...place.map((value, k) => value - other[k])))) < 4.2 || isStill());
    const species = [...new Set(scene.species)];
    view.removeAllModels();
    view.setBackgroundColor(colour("--paper"));
    model = view.addModel();
    model.addAtoms(scene.species.map((elem, k) => ({
      elem, serial: k, atom: elem, x: home[k][0], y: home[k][1], z: home[k][2], bonds: [], bondOrder: [],
      properties: { marked: marked.has(k), fixed: fixed.has(k), kind: species.indexOf(elem) % 4 },
    })));
    atoms = model.selectedAtoms({});
    atoms.forEach((atom, k) => model.setStyle({ serial: k }, { sphere: sphere(atom, k) }));
  }

  function sphere(atom, k) {
    const { marked, fixed, kind } = atom.properties;
    const radius = (radii[atom.elem] || 1.3) * (marked ? (isFilm() ? 0.5 : 0.7) : near[k] && !isFilm() ? 0.42 : 0.22);
    if (marked) return { radius, color: colour("--moved") };
    const plain = fixed && byId("fixed").checked ? colour("--s1") : colour(palette[kind]);
    const faded = byId("fade").checked && !isStill() ? (near[k] ? 0.15 : 0.7) : 0;
    return { radius, color: mixed(plain, colour("--paper"), faded) };
  }

  function show(value) {
    drawOnce(() => set(value));
  }

  function set(value) {
    at = value;
    byId("at").value = String(Math.round(value));
    if (isFilm()) showFrame(Math.round(value));
    else showProcess(value / 50);
    model.setStyle({ serial: 0 }, { sphere: sphere(atoms[0], 0) }); // what makes the viewer draw moved atoms anew
  }

  function place(atom, [x, y, z]) {
    Object.assign(atoms[atom], { x, y, z });
  }

  function showProcess(part) { // 0 reactant, 1 saddle, 2 product: straight lines between them
    const up = triples(scene.saddle), there = triples(scene.product);
    scene.moving.forEach((atom, k) => {
      const [from, to, share] = part <= 1 ? [[0, 0, 0], up[k], part] : [up[k], there[k], part - 1];
      place(atom, home[atom].map((value, axis) => value + from[axis] * (1 - share) + to[axis] * share));
    });
    view.removeAllShapes();
    drawCell();
    around(triples(scene.vacant), scene.around.map((one) => one / 100), triples(scene.cell))
      .forEach((where) => view.addSphere({ center: point(where), radius: 0.9, color: colour("--s1"), wireframe: true }));
    if (isStill()) return note(scene.said);
    const [, saddle, product] = scene.energies_eV;
    const shown = (value) => `${(Math.abs(value) < 0.0005 ? 0 : value).toFixed(3)} eV`;
    note(part < 0.02 ? "reactant: 0 eV" : Math.abs(part - 1) < 0.02 ? `saddle: ${shown(saddle)}` : part > 1.98 ? `product: ${shown(product)}`
      : part < 1 ? "on a straight line to the saddle" : "on a straight line to the product");
  }

  function showFrame(frame) {
    home.forEach((where, atom) => place(atom, where));
    view.removeAllShapes();
    drawCell();
    scene.frames.slice(0, frame + 1).forEach(({ changed, at: moved, hops }) => {
      triples(moved).forEach((where, k) => place(changed[k], where));
      hops.forEach(([, ...ends]) => {
        const [start, end] = triples(ends);
        view.addCylinder({ start: point(start), end: point(end), radius: 0.16, fromCap: 1, toCap: 1, color: colour("--s1") });
      });
    });
    const { step, time_s, state, barrier_eV } = scene.frames[frame];
    const over = barrier_eV === undefined ? "" : `, over ${barrier_eV.toFixed(3)} eV`;
    note(`KMC step ${step} of ${scene.frames[scene.frames.length - 1].step}, ${time(time_s)}, state ${state}${over}`);
  }

  function time(value) { // with its unit, three digits
    const [size, name] = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"], [1e-12, "ps"], [1e-15, "fs"]]
      .find(([one]) => value >= one) || [1, "s"];
    const shown = value / size;
    return `${shown < 1e4 ? Number(shown.toPrecision(3)) : shown.toExponential(2)} ${name}`;
  }

  function drawCell() {
    if (!byId("cell").checked) return view.removeAllLabels();
    const cell = triples(scene.cell);
    const corner = (...n) => [0, 1, 2].map((k) => cell.reduce((sum, vector, row) => sum + (n[row] - (isFilm() ? 0 : 0.5)) * vector[k], 0));
    for (const axis of [0, 1, 2])
      for (const [p, q] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
        const ends = [0, 1].map((end) => { const n = [p, q]; n.splice(axis, 0, end); return point(corner(...n)); });
        view.addLine({ start: ends[0], end: ends[1], color: colour("--muted") });
      }
    view.removeAllLabels();
    ["a", "b", "c"].forEach((name, axis) => view.addLabel(name, {
      position: point(corner(...[0, 1, 2].map((k) => (k === axis ? 1.04 : 0)))), fontColor: colour("--ink"), fontSize: 15,
      showBackground: false, alignment: "center", inFront: true,
    }));
  }

  function note(text) {
    byId("note").textContent = text + (scene.left_out ? `; ${scene.left_out} atoms farther away are not shown` : "");
  }

  function play(on) {
    playing = on;
    byId("play").textContent = on ? "Pause" : "Play";
    if (on) { last = performance.now(); due = last; requestAnimationFrame(tick); }
  }

  function tick(now) {
    if (!playing || !dialog.open) return;
    if (isFilm()) filmTick(now);
    else if (now - last >= 33) { // there in 2 s, and back
      const phase = (now / 4000) % 1;
      show(100 * (phase < 0.5 ? 2 * phase : 2 - 2 * phase));
      last = now;
    }
    requestAnimationFrame(tick);
  }

  function filmTick(now) { // the whole film lasts 20 s of simulated time; no state less than 0.08 s, none more than 2 s
    if (now < due) return;
    const { frames } = scene, next = Math.round(at) + 1 < frames.length ? Math.round(at) + 1 : 0;
    const whole = frames[frames.length - 1].time_s || 1;
    const stays = next + 1 < frames.length ? (frames[next + 1].time_s - frames[next].time_s) / whole : 1;
    show(next);
    due = now + 1000 * Math.min(2, Math.max(0.08, 20 * stays));
  }

  function close() {
    play(false);
    byId("parked").append(host);
    dialog.close();
  }

  function other(step) {
    open(keys[(keys.indexOf(dialog.dataset.key) + step + keys.length) % keys.length]);
  }

  const turns = { ArrowLeft: [-10, "y"], ArrowRight: [10, "y"], ArrowUp: [-10, "x"], ArrowDown: [10, "x"] };
  byId("canvas").addEventListener("keydown", (event) => {
    if (turns[event.key]) view.rotate(...turns[event.key]); // which draws
    else if (event.key === "+" || event.key === "=") view.zoom(1.15);
    else if (event.key === "-") view.zoom(1 / 1.15);
    else if (event.key === " " && !isStill()) play(!playing);
    else return;
    event.preventDefault();
  });
  byId("at").addEventListener("input", (event) => { play(false); show(Number(event.target.value)); });
  byId("play").addEventListener("click", () => play(!playing));
  byId("save").addEventListener("click", () => {
    Object.assign(document.createElement("a"), { href: view.pngURI(), download: `${dialog.dataset.key}-${byId("at").value}.png` }).click();
  });
  for (const key of keys) byId("which").append(new Option(scenes[key].title, key));
  byId("which").addEventListener("change", (event) => { open(event.target.value); event.target.focus(); });
  byId("previous").addEventListener("click", () => other(-1));
  byId("next").addEventListener("click", () => other(1));
  byId("close").addEventListener("click", close);
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(); });
  for (const name of ["cell", "fixed", "fade"])
    byId(name).addEventListener("change", () => { atoms.forEach((atom, k) => model.setStyle({ serial: k }, { sphere: sphere(atom, k) })); show(at); });
  for (const button of document.querySelectorAll("[data-show]")) {
    button.hidden = false;
    const go = () => open(button.dataset.show);
    button.addEventListener("click", go);
    const picture = button.closest("figure");
    if (picture) goes(picture.querySelector("svg"), go);
  }
  // a mouse may go the short way; all of it is in the viewer's own list and slider, too
  function goes(mark, go) {
    mark.classList.add("goes");
    mark.addEventListener("click", (event) => { event.stopPropagation(); go(event); });
  }
  const hinted = new Set();
  const hint = (mark, text) => {
    const caption = mark.closest("figure").querySelector("figcaption");
    if (hinted.has(caption)) return;
    hinted.add(caption);
    caption.append(Object.assign(document.createElement("span"), { className: "hint", textContent: ` ${text}` }));
  };
  for (const mark of document.querySelectorAll("[data-state], [data-step]")) {
    const { state, step } = mark.dataset;
    const go = state === undefined ? toStep(Number(step)) : toState(Number(state));
    if (!go) continue;
    goes(mark, go);
    hint(mark, `Click a ${state === undefined ? "dot: the trajectory from there" : "state: it"} in 3-D.`);
  }
  for (const area of film ? document.querySelectorAll("[data-longest-s]") : []) {
    goes(area.ownerSVGElement, (event) => {
      const { left, width } = area.getBoundingClientRect();
      toTime(Math.min(1, Math.max(0, (event.clientX - left) / width)) * Number(area.dataset.longestS));
    });
    hint(area, "Click in it: the trajectory at that time in 3-D.");
  }
})();
