/* Beta: six stored VAEs, one at a time.  The plane holds q(z given x) of some test images, each an
   ellipse of two standard deviations; the decoder of the run draws what lies at z. */
VaeBook.start("beta", (box, data, root) => {
  "use strict";
  const { el, pad, decoder, image, number, numbers, ticker, classColours, tags, say, still } = VaeBook;
  const { runs, classes, side } = data, labels = numbers(data.labels), codes = numbers(data.codes);
  const COUNT = labels.length, PIXELS = 784, SHAPE = [1, 28, 28];
  const bits = numbers(data.images); // eight pixels a byte, the first in the highest bit
  const pictures = classes.map((_, c) =>
    Float32Array.from({ length: PIXELS }, (_, i) => (bits[98 * c + (i >> 3)] >> (7 - (i & 7))) & 1));
  const state = { run: data.start, image: data.image, decoded: null };
  const code = (run, i) => codes.subarray(4 * (COUNT * run + i), 4 * (COUNT * run + i) + 4); // mu, sigma
  const own = () => code(state.run, data.chosen[state.image]);
  const decode = run => (runs[run].decode ||= decoder(runs[run].decoder));

  const rate = ([a, b, s, t]) => (a * a + b * b + s * s + t * t) / 2 - 1 - Math.log(s * t);
  const cost = (x, means) => { // -log p(x given z), in nats
    let sum = 0;
    for (let i = 0; i < PIXELS; i++) sum -= Math.log(Math.max(x[i] ? means[i] : 1 - means[i], 1e-7));
    return sum;
  };

  // ---- what stands on the page ----
  const dial = el("input", { type: "range", name: "beta", min: 0, max: runs.length - 1, step: 1, "aria-label": "beta",
    on: { input: () => choose({ run: Number(dial.value) }) } });
  const value = el("strong"), stops = runs.map((r, k) => el("span", { text: r.beta,
    style: `left: calc(${k / (runs.length - 1)} * (100% - 1rem) + 0.5rem)` }));
  const plane = el("div"), around = el("p", { class: "vb-quiet" });
  const buttons = classes.map((name, c) => {
    const canvas = el("canvas", { class: "vb-image", "aria-hidden": "true" });
    image(canvas, pictures[c], SHAPE);
    return el("button", { type: "button", "aria-label": name, title: name, on: { click: () => choose({ image: c }) } }, canvas);
  });
  const figure = () => {
    const canvas = el("canvas", { class: "vb-image", "aria-hidden": "true" }), caption = el("figcaption");
    return { canvas, caption, element: el("figure", {}, canvas, caption) };
  };
  const given = figure(), back = figure(), here = figure();
  const row = name => {
    const cells = [0, 1, 2].map(() => el("td"));
    return { cells, element: el("tr", {}, el("th", { scope: "row", text: name }), ...cells) };
  };
  const all = row("10,000 test images"), one = row("this image, at your z");
  const table = el("table", {}, el("thead", {}, el("tr", {}, el("td", { text: "nats" }),
    ...["rate", "distortion", "sum"].map(text => el("th", { scope: "col", text })))), el("tbody", {}, all.element, one.element));
  const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  chart.setAttribute("aria-hidden", "true");
  box.classList.add("vb-dial");
  box.append(
    el("div", {}, el("label", {}, "β = ", value, dial), el("div", { class: "vb-stops", "aria-hidden": "true" }, ...stops)),
    el("div", { class: "vb-two" },
      el("div", {}, plane, around),
      el("div", {}, el("div", { class: "vb-choice", role: "group", "aria-label": "test image" }, ...buttons),
        el("div", { class: "vb-three" }, given.element, back.element, here.element), table, chart)));

  // ---- the rate-distortion chart ----
  const svg = (tag, attributes, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, v] of Object.entries(attributes)) element.setAttribute(name, v);
    element.textContent = text;
    return element;
  };
  const drawChart = () => {
    const width = Math.max(220, Math.round(chart.parentNode.clientWidth)), tall = 150;
    const [left, right, top, low] = [10, width - 12, 24, tall - 20];
    const rates = runs.map(r => r.rate), costs = runs.map(r => r.distortion);
    const most = Math.max(...rates), floor = Math.min(...costs), ceiling = Math.max(...costs);
    const x = v => left + (right - left) * v / most, y = v => low - 8 - (low - 8 - top) * (v - floor) / (ceiling - floor);
    chart.setAttribute("viewBox", `0 0 ${width} ${tall}`);
    chart.setAttribute("height", tall);
    const points = runs.flatMap((r, k) => {
      const now = k === state.run, name = now ? "vb-now" : "";
      return [svg("circle", { cx: x(r.rate), cy: y(r.distortion), r: now ? 6 : 3.5, class: name }),
        k ? svg("text", { x: x(r.rate) + 9, y: y(r.distortion) + (k === runs.length - 1 ? 4 : -7), class: name }, `β ${r.beta}`)
          : svg("text", { x: x(r.rate) + 6, y: y(r.distortion) - 10, class: name, "text-anchor": "end" }, `β ${r.beta}`)];
    });
    chart.replaceChildren(svg("path", { d: `M${left},${top}V${low}H${right}` }),
      svg("path", { d: "M" + runs.map(r => `${x(r.rate)},${y(r.distortion)}`).join("L"), "stroke-dasharray": "3 3" }),
      svg("text", { x: 0, y: 10, class: "vb-quiet" }, "distortion ↑"),
      svg("text", { x: right, y: tall - 5, "text-anchor": "end", class: "vb-quiet" }, "rate →"), ...points);
  };

  // ---- the plane ----
  const shown = new Float32Array(4 * COUNT);
  let from = null, since = 0; // the ellipses glide to those of the next run
  const ellipse = (ctx, view, [a, b, s, t], grow = 2) => {
    ctx.beginPath();
    ctx.ellipse(view.x(a), view.y(b), Math.max(grow * s * view.scale, 1), Math.max(grow * t * view.scale, 1), 0, 0, 7);
  };
  const middles = () => classes.map((name, c) => {
    const sum = [0, 0, 0];
    for (let i = 0; i < COUNT; i++) if (labels[i] === c) { sum[0] += shown[4 * i]; sum[1] += shown[4 * i + 1]; sum[2]++; }
    return { name, c, at: [sum[0] / sum[2], sum[1] / sum[2]] };
  });
  const paint = (ctx, view) => {
    const { ink, muted, paper, dark } = view.colours, palette = classColours(dark);
    const colour = (c, alpha) => palette[c] + Math.round(255 * alpha).toString(16).padStart(2, "0");
    ctx.fillStyle = paper;
    ctx.fillRect(0, 0, view.width, view.height);
    for (let i = 0; i < COUNT; i++) {
      const strong = labels[i] === state.image;
      ellipse(ctx, view, shown.subarray(4 * i, 4 * i + 4));
      const wide = Math.max(1, shown[4 * i + 2] / 0.15); // discs that overlap must let each other through
      ctx.fillStyle = colour(labels[i], (strong ? 0.25 : 0.06) / wide);
      ctx.strokeStyle = colour(labels[i], strong ? 1 : 0.6);
      ctx.lineWidth = strong ? 2 : 1;
      ctx.fill();
      ctx.stroke();
    }
    ctx.setLineDash([4, 4]);
    ctx.lineWidth = 1.5;
    ctx.strokeStyle = muted;
    ellipse(ctx, view, [0, 0, 1, 1]);
    ctx.stroke();
    ctx.setLineDash([]);
    const i = data.chosen[state.image];
    ellipse(ctx, view, shown.subarray(4 * i, 4 * i + 4));
    ctx.strokeStyle = ink;
    ctx.lineWidth = 2.5;
    ctx.stroke();
    const names = middles(), spread = Math.max(...names.map(n => Math.hypot(...n.at)));
    const words = spread < 0.2 ? [{ text: "all images alike", at: [0, 2 + 12 / view.scale], colour: ink }]
      : names.map(({ name, c, at }) => ({ text: name, at, colour: c === state.image ? ink : colour(c, 1) }));
    tags(ctx, view, [...words, { text: "prior, 2 sd", at: [0, -2 - 12 / view.scale], colour: muted }]);
  };
  const glide = ticker(() => {
    const part = from ? Math.min(1, (performance.now() - since) / 350) : 1, ease = part * part * (3 - 2 * part);
    const to = code(state.run, 0).byteOffset / 4;
    for (let k = 0; k < shown.length; k++) shown[k] = from && part < 1 ? from[k] + ease * (codes[to + k] - from[k]) : codes[to + k];
    if (part < 1) glide.ask();
    else from = null;
    map.repaint();
  });

  // ---- readings ----
  const where = () => `distortion of the ${classes[state.image]} here ${number(cost(pictures[state.image], state.decoded), 0)} nats`;
  const look = ([z]) => { // after every move of z
    state.decoded = decode(state.run)(z).slice();
    image(here.canvas, state.decoded, SHAPE);
    const r = rate(own()), d = cost(pictures[state.image], state.decoded);
    // no sum: the bound averages the distortion over draws of z, and this is one
    one.cells.forEach((cell, k) => { cell.textContent = [number(r), number(d), "–"][k]; });
    here.caption.textContent = "decoded at z";
  };
  const choose = change => {
    const other = change.run !== undefined && change.run !== state.run;
    Object.assign(state, change);
    const run = runs[state.run], mu = Array.from(own().subarray(0, 2));
    value.textContent = run.beta;
    dial.value = state.run;
    dial.setAttribute("aria-valuetext", `beta ${run.beta}: rate ${number(run.rate)}, distortion ${number(run.distortion)} nats`);
    stops.forEach((stop, k) => stop.classList.toggle("vb-now", k === state.run));
    buttons.forEach((button, c) => button.setAttribute("aria-pressed", String(c === state.image)));
    all.cells.forEach((cell, k) => { cell.textContent = number([run.rate, run.distortion, -run.elbo][k]); });
    image(given.canvas, pictures[state.image], SHAPE);
    given.caption.textContent = `${classes[state.image]}, binarised`;
    image(back.canvas, decode(state.run)(mu), SHAPE);
    back.caption.textContent = "decoded at its mean";
    let outside = 0;
    for (let i = 0; i < COUNT; i++) outside += Math.max(...code(state.run, i).subarray(0, 2).map(Math.abs)) > side;
    around.textContent = `${COUNT} test images, each the 2 sd ellipse of its q(z given x). Drag z: the ring.`
      + (outside ? ` ${outside} lie outside the frame.` : "");
    from = other && !still() ? shown.slice() : null;
    since = performance.now();
    drawChart();
    glide.ask();
    map.set([mu]);
    if (map.ticker.count) say(root, `beta ${run.beta}: rate ${number(run.rate)}, distortion ${number(run.distortion)} nats. ${classes[state.image]}.`);
  };
  shown.set(codes.subarray(4 * COUNT * state.run, 4 * COUNT * (state.run + 1)));
  state.decoded = decode(state.run)(own().subarray(0, 2)).slice();
  const map = pad(plane, { range: [[-side, side], [-side, side]], value: Array.from(own().subarray(0, 2)), step: 0.1,
    label: "latent plane", names: ["z1", "z2"], paint, describe: where, change: look });
  choose({});
  let width = 0;
  new ResizeObserver(() => { if (box.clientWidth !== width) { width = box.clientWidth; drawChart(); } }).observe(box);
  return { state, choose, pad: map, glide, rate, cost, pictures, code, chosen: data.chosen };
});
