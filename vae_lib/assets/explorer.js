/* The latent explorer: one handle over the planes of one or more models, see LatentExplorer. */
VaeBook.start("explorer", (box, data, root) => {
  "use strict";
  const { el, number, numbers, decoder, image, pad, classColours, tags, say, still } = VaeBook;
  const STEPS = 400; // of a unit, in which codes are stored
  const side = data.side, names = data.names, labels = numbers(data.labels);

  // ---- the planes ----
  const planes = data.planes.map(plane => {
    const decode = decoder(plane.decoder), codes = Float32Array.from(numbers(plane.codes), v => v / STEPS);
    const image = () => el("canvas", { class: "vb-image", role: "img" });
    const parts = {
      decoded: image(), near: image(), said: el("div", { class: "vb-said" }),
      place: el("span"), nearText: el("figcaption"),
    };
    parts.near.classList.add("vb-near");
    const medians = names.map((_, c) => {
      const rows = [...labels.keys()].filter(i => labels[i] === c);
      return rows.length ? [0, 1].map(k => {
        const sorted = rows.map(i => codes[2 * i + k]).sort((a, b) => a - b);
        return sorted[(sorted.length - 1) >> 1];
      }) : null;
    });
    return { ...plane, ...parts, decode, codes, medians };
  });
  const code = (plane, i) => [plane.codes[2 * i], plane.codes[2 * i + 1]];
  const nearest = (plane, [x, y]) => {
    let row = 0, least = Infinity;
    for (let i = 0; i < labels.length; i++) {
      const a = plane.codes[2 * i] - x, b = plane.codes[2 * i + 1] - y, d = a * a + b * b;
      if (d < least) { least = d; row = i; }
    }
    const distance = Math.sqrt(least);
    return { row, distance, hole: distance > plane.reach, name: names[labels[row]] };
  };

  // ---- what is seen ----
  const sheet = new Image();
  const { columns, width, height } = data.tiles;
  const thumbnail = (canvas, row) => {
    if (canvas.width !== width) Object.assign(canvas, { width, height });
    const x = row % columns * width, y = Math.floor(row / columns) * height;
    if (sheet.complete) canvas.getContext("2d").drawImage(sheet, x, y, width, height, 0, 0, width, height);
  };
  const look = (plane, u) => {
    const z = u.map((v, k) => plane.mean[k] + plane.sd[k] * v), near = nearest(plane, u);
    image(plane.decoded, plane.decode(z), plane.decode.shape);
    if (plane.row !== near.row) thumbnail(plane.near, near.row);
    plane.row = near.row;
    plane.place.textContent = ` z = (${z.map(v => number(v, 1)).join(", ")})`;
    plane.nearText.textContent = `nearest image: ${near.name}`;
    plane.decoded.setAttribute("aria-label", `${plane.name}: the image decoded here`);
    plane.near.setAttribute("aria-label", `${plane.name}: the nearest image, ${near.name}`);
    const away = `nearest code ${number(near.distance)} away`;
    plane.said.replaceChildren(near.hole ? el("strong", { text: "A hole: " }) : "",
      near.hole ? `${away}; for 95 % of the images it is within ${number(plane.reach)}.` : `${away}.`);
    plane.at = { ...near, z };
  };
  const words = () => planes.map(({ name, at }) => `${name}: ${at.hole ? "a hole, " : ""}nearest is ` +
    `${at.name}, ${number(at.distance)} away`).join(". ");

  // ---- the maps ----
  let chosen = -1; // the class that stands out
  const paint = (ctx, view, i) => {
    const { colours, width: w } = view, plane = planes[i], palette = classColours(colours.dark);
    ctx.strokeStyle = colours.fill;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    for (let v = -Math.floor(side); v <= side; v++) {
      ctx.moveTo(view.x(v), 0); ctx.lineTo(view.x(v), w);
      ctx.moveTo(0, view.y(v)); ctx.lineTo(w, view.y(v));
    }
    ctx.stroke();
    const size = w < 260 ? 1.5 : 2;
    for (const part of [false, true]) for (let row = 0; row < labels.length; row++) {
      const c = labels[row], [x, y] = code(plane, row);
      if ((c === chosen) !== part) continue;
      ctx.globalAlpha = chosen < 0 ? 0.75 : part ? 1 : 0.18;
      ctx.fillStyle = palette[c];
      ctx.beginPath();
      ctx.arc(view.x(x), view.y(y), part ? size + 0.7 : size, 0, 7);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
    const named = [...names.keys()].filter(c => plane.medians[c] && (chosen < 0 || c === chosen));
    tags(ctx, view, named.map(c => ({ text: names[c], at: plane.medians[c], colour: palette[c] })), w < 260 ? 10 : 12);
  };
  const handle = (ctx, view, [a, b], i) => { // hollow in a hole; a line leads to the nearest code
    const { ink, paper } = view.colours, x = view.x(a), y = view.y(b), { hole, row } = planes[i].at;
    const [p, q] = code(planes[i], row);
    for (const [colour, line] of [[paper, 4], [ink, 1.5]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: line });
      ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(view.x(p), view.y(q)); ctx.stroke();
    }
    ctx.beginPath();
    ctx.arc(x, y, 8, 0, 7);
    ctx.fillStyle = hole ? paper : ink;
    ctx.fill();
    for (const [colour, line] of [[paper, 5], [ink, 2.5]]) {
      Object.assign(ctx, { strokeStyle: colour, lineWidth: line });
      ctx.stroke();
    }
  };

  // ---- the page ----
  const host = el("div", { "data-planes": planes.length });
  const many = planes.length > 1;
  const unit = many ? "each model's own codes" : "the codes";
  box.append(el("p", { text: `Drag in ${many ? "either" : "the"} map, or use the arrow keys (with Shift, ` +
    `larger steps). One square is one standard deviation of ${unit}.` }), host);
  const map = pad(host, {
    range: [[-side, side], [-side, side]], step: side / 40, value: [0, 0],
    names: ["across", "up"], label: `Latent plane of ${planes.map(p => p.name).join(" and ")}`,
    panes: planes.map(p => p.name), paint, handle, describe: words,
    change: values => planes.forEach((plane, i) => look(plane, values[i])), grabbed: () => stop(),
  });
  planes.forEach((plane, i) => {
    const figure = (canvas, text) => el("figure", {}, canvas, text);
    host.append(el("div", { class: "vb-plane" },
      el("div", { class: "vb-name" }, plane.name, plane.place), map.panes[i],
      el("div", { class: "vb-seen" }, figure(plane.decoded, el("figcaption", { text: "decoded" })),
        figure(plane.near, plane.nearText)), plane.said));
  });
  sheet.addEventListener("load", () => { planes.forEach(plane => { plane.row = -1; }); map.set(map.values); });
  sheet.src = data.tiles.sprite;

  // ---- places to go to ----
  let walking = 0;
  const stop = () => {
    cancelAnimationFrame(walking);
    clearTimeout(walking);
    walking = 0;
    walk.textContent = path;
  };
  const go = values => {
    stop();
    map.set(values);
    requestAnimationFrame(() => requestAnimationFrame(() => say(root, words())));
  };
  const ends = data.walk.map(row => names[labels[row]]), path = `Walk: ${ends.join(" to ")}`;
  const along = t => planes.map(plane => {
    const [a, b] = data.walk.map(row => code(plane, row));
    return a.map((v, k) => v + t * (b[k] - v));
  });
  const walk = el("button", { type: "button", text: path, on: { click() {
    if (walking) return stop();
    walk.textContent = "Stop";
    const begin = performance.now(), seconds = 5;
    // Where less motion is asked for: seven places, one after the other.
    const next = still() ? f => setTimeout(() => f(performance.now()), 700) : requestAnimationFrame;
    const move = now => {
      const t = Math.min(1, Math.max(0, (now - begin) / 1000 / seconds));
      if (t === 1) return go(along(1));
      map.set(along(t));
      walking = next(move);
    };
    walking = next(move);
  } } });
  const classes = el("select", { on: { change() {
    chosen = Number(classes.value);
    map.repaint();
    if (chosen >= 0) go(planes.map((plane, i) => plane.medians[chosen] || map.values[i]));
  } } }, el("option", { value: -1, text: "all" }),
    ...names.map((name, c) => el("option", { value: c, text: name })));
  box.append(el("div", { class: "vb-controls" },
    el("label", {}, "Class", classes),
    el("button", { type: "button", text: many ? "Widest holes" : "Widest hole",
      on: { click() { go(planes.map(plane => plane.hole)); } } }), walk));
  return { map, planes, get decodes() { return planes.map(plane => plane.decode.count); } };
});
