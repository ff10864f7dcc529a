/* The reparameterization trick: one latent, f(z) = z^2 + sin z of chapter 5.
   Drag mu, sigma and eps; the noise of earlier draws stays while mu and sigma move. */
VaeBook.start("reparameterization", (box, data, root) => {
  "use strict";
  const { el, number, ticker, say } = VaeBook;
  const { limits, start } = data, MOST = 10000, SPAN = 4, KNOB = 8;
  const state = { ...start, squared: false };
  const draws = new Float64Array(MOST);
  let n = 0;

  // ---- the mathematics ----
  const f = z => z * z + Math.sin(z), slope = z => 2 * z + Math.cos(z);
  const scale = () => (state.squared ? state.sigma ** 2 : state.sigma); // what multiplies eps
  const kl = (mu, sd) => (mu * mu + sd * sd - 1) / 2 - Math.log(sd);
  const guess = eps => {
    const g = slope(state.mu + scale() * eps);
    return [g, g * eps * (state.squared ? 2 * state.sigma : 1)];
  };
  const exact = () => {
    const { mu, sigma } = state, decay = Math.exp(-sigma * sigma / 2);
    return [2 * mu + decay * Math.cos(mu), 2 * sigma - sigma * decay * Math.sin(mu)];
  };
  // of mu and sigma -> of mu, sigma and log sigma^2, whose step moves sigma by sigma / 2
  const three = ([a, b]) => [a, b, b * state.sigma / 2];
  let seed = 1;
  const uniform = () => { // mulberry32: every reader gets the same draws
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

  // ---- elements ----
  const svg = (tag, attributes = {}, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const part = (kind, tag = "path") => svg(tag, { class: kind });
  const text = (kind = "", anchor = "middle", content = "") => svg("text", { class: kind, "text-anchor": anchor }, content);
  const S = {
    axes: part("vb-thin"), bell: part("vb-noise"), fan: part("vb-fan"), curve: part("vb-code"), shade: part("vb-shade"),
    stated: part("vb-stated"), f: part(""), drop: part("vb-thin"), path: part("vb-path"),
    tangent: part("vb-gain"), byZ: part("vb-gain"), byMu: part("vb-gain"), bySigma: part("vb-gain"),
    dot: svg("circle", { class: "vb-dot", r: 5 }), foot: svg("circle", { class: "vb-dot", r: 5 }),
    ticks: svg("g"), noise: text("vb-quiet", "start", "noise ε ~ N(0, 1)"), codes: text("vb-quiet", "start", "code z"),
    height: text("vb-quiet", "start", "f(z) = z² + sin z"), at: text("", "middle"), slope: text("vb-gain"),
    mu: text("vb-gain"), sigma: text("vb-gain"),
  };
  const scene = svg("svg", { class: "vb-scene", "aria-hidden": "true" }, ...Object.values(S));
  const knob = () => svg("g", { class: "vb-grip" },
    svg("circle", { class: "vb-reach", r: 22 }), svg("circle", { class: "vb-knob", r: KNOB }), text("", "middle"));
  const SIGNS = { mu: "μ", sigma: "σ", eps: "ε" };
  const knobs = Object.fromEntries(Object.keys(SIGNS).map(name => [name, knob()]));
  for (const [name, grip] of Object.entries(knobs)) grip.lastChild.textContent = SIGNS[name];
  scene.append(knobs.eps, knobs.mu, knobs.sigma);

  const NAMES = { mu: "mean μ", sigma: "sd σ", eps: "noise ε" };
  const fields = {}, values = {};
  for (const name of Object.keys(NAMES)) {
    const [min, max] = limits[name];
    values[name] = el("output");
    fields[name] = el("input", { type: "range", min, max, step: 0.01, name, "aria-label": name === "sigma" ? "standard deviation σ" : NAMES[name],
      on: { input: () => set({ [name]: Number(fields[name].value) }) } });
  }
  const labels = Object.keys(NAMES).map(name =>
    el("label", {}, `${NAMES[name]} = `, values[name], fields[name]));
  const draw = count => {
    for (let i = 0; i < count && n < MOST; i++) draws[n++] = normal();
    const [low, high] = limits.eps;
    state.eps = Math.min(high, Math.max(low, draws[n - 1]));
    ask();
  };
  const button = (label, click) => el("button", { type: "button", text: label, on: { click } });
  const buttons = [
    button("Draw ε", () => draw(1)), button("Draw 100", () => draw(100)),
    button("Forget the draws", () => { n = 0; ask(); }),
  ];
  const mistake = el("input", { type: "checkbox", name: "squared",
    on: { change: () => set({ squared: mistake.checked }) } });
  const cells = (count, kind = "td") => Array.from({ length: count }, () => el(kind));
  const rows = ["∂/∂μ", "∂/∂σ", "∂/∂ log σ²"].map(name => ({ name, cells: cells(3) }));
  const counted = el("th", { scope: "col" });
  const gradients = el("table", { class: "vb-gradients" },
    el("thead", {}, el("tr", {}, el("td", { text: "gradient of E\u00a0f(z)" }), el("th", { scope: "col", text: "this ε guesses" }),
      counted, el("th", { scope: "col", text: "exact" }))),
    el("tbody", {}, ...rows.map(r => el("tr", {}, el("th", { scope: "row", text: r.name }), ...r.cells))));
  const both = [["sd of z", cells(2)], ["KL to N(0,\u00a01), nats", cells(2)]];
  const truth = el("table", { class: "vb-truth" },
    el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col", text: "stated, charged" }),
      el("th", { scope: "col", text: "of what is sampled" }))),
    el("tbody", {}, ...both.map(([name, c]) => el("tr", {}, el("th", { scope: "row", text: name }), ...c))));
  const note = el("p", { class: "vb-note" });
  const M = { axes: part("vb-thin"), exactMu: part("vb-exact"), exactSigma: part("vb-exact"), mu: part("vb-mu"),
    sigma: part("vb-sigma"), ticks: svg("g"), title: text("vb-quiet", "start", "mean of the guesses, after 1 to 10,000 draws"),
    nameMu: text("", "start"), nameSigma: text("", "start") };
  const means = svg("svg", { class: "vb-means", "aria-hidden": "true" }, ...Object.values(M));
  box.classList.add("vb-reparam");
  box.append(scene, el("div", { class: "vb-fields" }, ...labels), el("div", { class: "vb-columns" },
    el("div", {}, el("div", { class: "vb-buttons" }, ...buttons), gradients, means),
    el("div", {}, el("label", { class: "vb-mistake" }, mistake, "z = μ + σ²ε, the common mistake"), truth, note)));

  // ---- places; all in CSS pixels, laid out again on a new width ----
  const Y = { noise: 62, bell: 40, z: 236, density: 84, f: 392, tall: 118, all: 416, means: 128 };
  let width = 0, chart = 0;
  const x = v => width / 2 + v * unit(), unit = () => (width - 24) / (2 * SPAN);
  const line = points => "M" + points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join("L");
  const range = (from, to, count, g) => Array.from({ length: count + 1 }, (_, i) => g(from + (to - from) * i / count));
  const arrow = (x1, y1, x2, y2, head = 7) => {
    const length = Math.hypot(x2 - x1, y2 - y1);
    if (length < 1) return "";
    const u = (x2 - x1) / length, v = (y2 - y1) / length, h = Math.min(head, length);
    const back = side => [x2 - h * (u + side * 0.55 * v), y2 - h * (v - side * 0.55 * u)];
    return line([[x1, y1], [x2, y2]]) + line([back(1), [x2, y2], back(-1)]);
  };
  const place = (element, a, b) => { element.setAttribute("x", a.toFixed(1)); element.setAttribute("y", b.toFixed(1)); };
  const shape = (element, d) => element.setAttribute("d", d);
  const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
  const bell = (mid, sd, base, tall, closed) => {
    const reach = Math.max(4 * sd, 0.01);
    return line(range(mid - reach, mid + reach, 60, v => [x(v), base - tall * Math.exp(-(((v - mid) / sd) ** 2) / 2)])) + closed;
  };
  const fY = z => Y.f - f(z) * Y.tall / 17;

  const layout = () => {
    width = Math.max(260, Math.round(box.clientWidth));
    chart = Math.max(240, Math.round(means.parentNode.clientWidth));
    for (const [image, wide, tall] of [[scene, width, Y.all], [means, chart, Y.means]]) {
      image.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
      image.setAttribute("height", tall);
    }
    shape(S.axes, [Y.noise, Y.z, Y.f].map(y => line([[8, y], [width - 8, y]])).join("")
      + range(-SPAN, SPAN, 2 * SPAN, v => [Y.noise, Y.z, Y.f].map(y => line([[x(v), y - 3], [x(v), y + 3]])).join("")).join(""));
    shape(S.bell, bell(0, 1, Y.noise, Y.bell, ""));
    shape(S.f, line(range(-SPAN, SPAN, 80, z => [x(z), fY(z)])));
    place(S.noise, 8, 16);
    place(S.codes, 8, Y.z - 8);
    place(S.height, 8, Y.z + 32);
    S.ticks.replaceChildren(...[-4, -2, 0, 2, 4].flatMap(v => [Y.noise, Y.z, Y.f].map(y => {
      const tick = text("vb-quiet", "middle", String(v).replace("-", "−"));
      place(tick, clamp(x(v), 14, width - 14), y + 17);
      return tick;
    })));
  };

  // ---- one frame ----
  const show = v => number(v), nats = v => number(v, 3);
  const GAIN = 13; // pixels for a gradient of one
  const push = (element, label, name, at, y, g, gap = KNOB + 1) => {
    const edge = x(at) + Math.sign(g) * gap, from = clamp(edge, 6, width - 6), end = clamp(edge + GAIN * g, 6, width - 6);
    shape(element, arrow(from, y, end, y));
    label.textContent = `${name} ${show(g)}`;
    const wide = 7 * label.textContent.length, right = g >= 0;
    const room = right ? end + 6 + wide <= width : end - 6 - wide >= 0; // else it stands above its arrow
    label.setAttribute("text-anchor", right ? "start" : "end");
    place(label, right ? Math.min(end + 6, width - wide) : Math.max(end - 6, wide), room ? y + 4 : y - 8);
  };
  const drawScene = () => {
    const { mu, sigma, eps } = state, s = scale(), z = mu + s * eps, g = slope(z), [, gSigma] = guess(eps);
    const out = Math.abs(z) > SPAN, zx = clamp(x(z), 0, width);
    shape(S.fan, [-2, -1, 0, 1, 2].map(e => line([[x(e), Y.noise], [x(mu + s * e), Y.z]])).join(""));
    shape(S.path, arrow(x(eps), Y.noise, x(z), Y.z - 5, 9));
    shape(S.curve, bell(mu, s, Y.z, Y.density, ""));
    shape(S.shade, bell(mu, s, Y.z, Y.density, "Z"));
    shape(S.stated, state.squared ? bell(mu, sigma, Y.z, Y.density, "") : "");
    shape(S.drop, out ? "" : line([[x(z), Y.z], [x(z), fY(z)]]));
    const rise = g * Y.tall / 17 / unit(), run = 30 / Math.hypot(1, rise);
    shape(S.tangent, out ? "" : line([[x(z) - run, fY(z) + run * rise], [x(z) + run, fY(z) - run * rise]]));
    S.dot.setAttribute("transform", `translate(${zx.toFixed(1)} ${Y.z})`);
    S.foot.setAttribute("transform", `translate(${zx.toFixed(1)} ${out ? -50 : fY(z).toFixed(1)})`);
    push(S.byZ, S.slope, "f′(z) =", z, Y.z + 54, g, 0);
    push(S.byMu, S.mu, "∂f/∂μ =", mu, Y.z - Y.density, g);
    push(S.bySigma, S.sigma, "∂f/∂σ =", mu + sigma, Y.z - 0.607 * Y.density, gSigma);
    S.at.textContent = `z = ${show(z)}${out ? ", beyond the picture" : ""}`;
    const reach = out ? 90 : 34, at = clamp(zx, reach, width - reach);
    place(S.at, at, Y.z + 17);
    for (const tick of S.ticks.children) { // a number of the axis beneath it would be misread
      const hidden = Number(tick.getAttribute("y")) === Y.z + 17 && Math.abs(tick.getAttribute("x") - at) < reach + 12;
      tick.setAttribute("visibility", hidden ? "hidden" : "visible");
    }
    const spots = { eps: [x(eps), Y.noise], mu: [x(mu), Y.z - Y.density], sigma: [x(mu + sigma), Y.z - 0.607 * Y.density] };
    for (const [name, [a, b]] of Object.entries(spots)) {
      knobs[name].setAttribute("transform", `translate(${clamp(a, 8, width - 8).toFixed(1)} ${b.toFixed(1)})`);
      const spot = { eps: [0, -14], mu: [-16, -8], sigma: gSigma < 0 ? [17, 4] : [-17, 4] }[name]; // clear of the arrow
      place(knobs[name].lastChild, ...spot);
    }
  };
  const drawMeans = () => { // running means of all draws, with mu and sigma as they are now
    const sums = [0, 0], points = [[], []], left = 8, right = chart - 76, top = 26, low = Y.means - 22;
    const across = i => left + (right - left) * Math.log10(Math.max(i, 1)) / 4, truth = exact();
    let next = 1;
    for (let i = 0; i < n; i++) {
      const g = guess(draws[i]);
      sums[0] += g[0];
      sums[1] += g[1];
      if (i + 1 >= next || i + 1 === n) {
        for (const k of [0, 1]) points[k].push([i + 1, sums[k] / (i + 1)]);
        next = Math.max(i + 2, (i + 1) * 1.06);
      }
    }
    const center = (truth[0] + truth[1]) / 2, reach = 2.2 + Math.abs(truth[0] - truth[1]) / 2;
    const y = v => clamp(low - (v - center + reach) / (2 * reach) * (low - top), top, low);
    const trace = list => (list.length ? line(list.map(([i, v]) => [across(i), y(v)])) + (list.length === 1 ? "h4" : "") : "");
    [M.mu, M.sigma].forEach((element, k) => shape(element, trace(points[k])));
    [M.exactMu, M.exactSigma].forEach((element, k) => shape(element, line([[left, y(truth[k])], [right, y(truth[k])]])));
    shape(M.axes, line([[left, top], [left, low], [right, low]]));
    place(M.title, 8, 14);
    const close = Math.abs(y(truth[0]) - y(truth[1])) < 14 ? 7 : 0, up = truth[0] > truth[1] ? -1 : 1;
    M.nameMu.textContent = `∂/∂μ ${show(truth[0])}`;
    M.nameSigma.textContent = `∂/∂σ ${show(truth[1])}`;
    place(M.nameMu, right + 4, y(truth[0]) + 4 + up * close);
    place(M.nameSigma, right + 4, y(truth[1]) + 4 - up * close);
    if (M.ticks.dataset.width !== String(chart)) {
      M.ticks.dataset.width = chart;
      M.ticks.replaceChildren(...[1, 10, 100, 1000, 10000].map(i => {
        const tick = text("vb-quiet", i === 1 ? "start" : "middle", i.toLocaleString("en"));
        place(tick, across(i), low + 15);
        return tick;
      }));
    }
    return n ? sums.map(v => v / n) : null;
  };
  const readings = mean => {
    const { mu, sigma, eps } = state, s = scale();
    for (const name of Object.keys(NAMES)) {
      values[name].textContent = show(state[name]);
      if (Number(fields[name].value) !== state[name]) fields[name].value = state[name];
      fields[name].setAttribute("aria-valuetext", `${SIGNS[name]} ${show(state[name])}, z ${show(mu + s * eps)}`);
    }
    counted.textContent = n ? `mean of ${n.toLocaleString("en")}` : "mean, no draw yet";
    const columns = [three(guess(eps)), mean && three(mean), three(exact())];
    rows.forEach((row, k) => row.cells.forEach((cell, j) => { cell.textContent = columns[j] ? show(columns[j][k]) : "–"; }));
    const facts = [[show(sigma), show(s)], [nats(kl(mu, sigma)), nats(kl(mu, s))]];
    both.forEach(([, pair], k) => pair.forEach((cell, j) => { cell.textContent = facts[k][j]; }));
    const off = state.squared && Math.abs(s - sigma) > 1e-9;
    both.forEach(([, pair]) => pair[1].classList.toggle("vb-wrong", off));
    note.textContent = off
      ? `The loss charges ${nats(kl(mu, sigma))} nats for N(μ, σ²), dashed; the draws come from the solid curve, which costs ${nats(kl(mu, s))}. Not a bound any more, and the mean of the guesses settles away from the exact gradient.`
      : state.squared ? "At σ = 1 the draws come out right, but the gradient of σ is twice what it should be."
      : "The arrows show where f grows. ε passes its sign and size on to σ; μ gets the slope as it is.";
    buttons[0].disabled = buttons[1].disabled = n >= MOST;
    buttons[2].disabled = n === 0;
    if (frame.count === 0) return; // nothing to announce before the reader moves
    const spoken = columns[0].map(show);
    say(root, `z ${show(mu + s * eps)}, slope of f ${spoken[0]}. Gradient of mu ${spoken[0]}, of sigma ${spoken[1]}.`
      + (mean ? ` Mean of ${n} draws ${show(mean[0])} and ${show(mean[1])}.` : "")
      + (off ? ` Sampled with standard deviation ${show(s)} where ${show(sigma)} is stated.` : ""));
  };
  const frame = ticker(() => {
    if (!width) layout();
    drawScene();
    readings(drawMeans());
  });
  const ask = () => frame.ask();
  const set = change => {
    for (const [name, value] of Object.entries(change))
      state[name] = name === "squared" ? value : clamp(Math.round(value * 100) / 100, ...limits[name]);
    mistake.checked = state.squared;
    ask();
  };

  // ---- dragging ----
  const move = { mu: v => ({ mu: v }), eps: v => ({ eps: v }), sigma: v => ({ sigma: v - state.mu }) };
  for (const [name, grip] of Object.entries(knobs)) {
    let held = null, offset = 0;
    const at = event => (event.clientX - scene.getBoundingClientRect().left - width / 2) / unit();
    const end = () => { held = null; grip.classList.remove("vb-held"); };
    grip.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      event.preventDefault();
      fields[name].focus({ preventScroll: true }); // the arrow keys go on from here
      try { grip.setPointerCapture(event.pointerId); } catch { /* a made-up event */ }
      held = event.pointerId;
      offset = (name === "sigma" ? state.mu + state.sigma : state[name]) - at(event);
      grip.classList.add("vb-held");
    });
    grip.addEventListener("pointermove", event => {
      if (event.pointerId === held) set(move[name](at(event) + offset));
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) grip.addEventListener(kind, end);
  }

  new ResizeObserver(() => {
    if (Math.round(box.clientWidth) !== width) { width = 0; ask(); }
  }).observe(box);
  ask();
  return { state, set, draw, frame, draws: () => Array.from(draws.subarray(0, n)) };
});
