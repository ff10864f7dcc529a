/* The core of the book's interactive pieces: no kernel, no network, no library.

Every display carries this text; the first one on a page defines `VaeBook`, the others find it.

VaeBook.start(name, setup)      For each <div class="vb-piece" data-piece="name"> not yet started:
                                setup(box, data, root).  `box` is an empty <div> for the piece,
                                `data` the display's JSON.  When setup returns, `box` takes the
                                place of the still picture; when it throws, the picture stays.
                                What setup returns is kept as root.vaebook, for tests.
VaeBook.el(tag, attributes, ...children)   A new element.  `class`, `text`, `on: {event: f}`.
VaeBook.decoder(spec)           -> decode(z) -> Float32Array of C*H*W means in [0, 1], the same
                                array at each call; decode.shape = [C, H, W], decode.count.
VaeBook.image(canvas, pixels, shape)   Draws pixels, one screen pixel each; CSS scales.
                                With one channel ink is 1 and paper 0, as in the figures.
VaeBook.pad(host, options)      A plane with a handle, for pointer, touch, keys, screen reader.
  options.range                 [[left, right], [bottom, top]]
  options.value                 [x, y] at the start; Home brings the handle back to it
  options.names                 what the coordinates are called, ["z1", "z2"]
  options.label                 the accessible name of the pad
  options.step, options.big     of an arrow key; with Shift or PageUp, PageDown (y)
  options.panes                 number of panes that share the handle (1); or one label each
  options.paint(ctx, view, i)   what lies beneath, in pane i; drawn again on a new size or theme
  options.handle(ctx, view, [x, y], i)   the handle; a ring by default
  options.change(values)        after a move, at most once a frame; values[i] = [x, y] of pane i
  options.describe(values)      text behind the coordinates, for the screen reader; after change
  options.grabbed()             the reader takes the handle, with the pointer or with keys
  -> pad.values, pad.set(values), pad.repaint() (all), pad.element,
     pad.panes[i] (the host of pane i), pad.ticker (see VaeBook.ticker)
  view = {width, height, x(v), y(v), scale, colours}; x and y give CSS pixels, colours is below.
VaeBook.ticker(draw)            -> ticker.ask(): draw() at the next frame, once however often asked;
                                ticker.count, ticker.times (ms of the last 600 draws).
VaeBook.colours(root)           {ink, muted, line, paper, fill, blue, orange, green, red, purple},
                                of the reader's theme, and `dark`; use CSS var(--p-ink) etc. in styles.
VaeBook.onTheme(root, f)        f() when the theme changes.
VaeBook.say(root, text)         Tells the screen reader, politely and at most once a second.
VaeBook.number(v, digits = 2)   A number as text: a true minus, and no minus before a zero.
VaeBook.classColours(dark)      Ten colours, the same class the same in every piece.
VaeBook.tags(ctx, view, items, high)   Writes words on a pad, none over another, each as near to its
                                place as may be; items: [{text, at: [x, y], colour}], high: pixels.
VaeBook.numbers({type, data})   base64 -> typed array; type u8, i12, f16, f32.
VaeBook.still()                 true where the reader asked for less motion.
*/
(() => {
  "use strict";
  const VERSION = 1;
  if (globalThis.VaeBook && globalThis.VaeBook.version === VERSION) return;

  // ---- elements ----
  const el = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") for (const [event, f] of Object.entries(value)) element.addEventListener(event, f);
      else if (name === "text") element.textContent = value;
      else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  };

  const start = (name, setup) => {
    for (const root of document.querySelectorAll(`.vb-piece[data-piece="${name}"]:not([data-ready])`)) {
      root.dataset.ready = "yes";
      const box = el("div", { class: "vb-box" });
      try {
        const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
        root.append(box); // it has a size and a theme while it is set up
        root.vaebook = setup(box, data, root) || {};
        root.querySelector(".vb-still").remove();
      } catch (error) {
        box.remove();
        root.dataset.ready = "failed";
        console.error(error);
      }
    }
  };

  // ---- numbers ----
  const number = (v, digits = 2) => v.toFixed(digits).replace(/^-(?=[0.]+$)/, "").replace("-", "−");
  const fromHalf = h => {
    const sign = h & 0x8000 ? -1 : 1, e = (h >> 10) & 31, m = h & 1023;
    if (e === 0) return sign * m * 2 ** -24;
    return e === 31 ? (m ? NaN : sign * Infinity) : sign * (1 + m / 1024) * 2 ** (e - 15);
  };
  const twelveBits = raw => Int16Array.from({ length: Math.floor(raw.length * 8 / 12) }, (_, i) => {
    const at = Math.floor(1.5 * i); // two numbers in three bytes, 2048 is zero
    return (i % 2 ? (raw[at] & 15) << 8 | raw[at + 1] : raw[at] << 4 | raw[at + 1] >> 4) - 2048;
  });
  const TYPES = { u8: Uint8Array, f32: Float32Array };
  const numbers = ({ type, data }) => {
    const raw = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    if (type === "f16") return Float32Array.from(new Uint16Array(raw.buffer), fromHalf);
    if (type === "i12") return twelveBits(raw);
    return new TYPES[type](raw.buffer);
  };

  // ---- decoder: Linear, ReLU, ConvTranspose2d ----
  // Whole numbers times the scale of their output channel; inner: weights that follow one another
  // in one channel.
  const weights = ({ weight, scale, inner }) => {
    const values = Float32Array.from(numbers(weight));
    if (!scale) return values;
    const factor = numbers(scale);
    for (let i = 0; i < values.length; i++) values[i] *= factor[Math.floor(i / inner) % factor.length];
    return values;
  };
  const linear = layer => {
    const w = weights(layer), b = numbers(layer.bias), out = new Float32Array(b.length);
    return x => {
      for (let o = 0, k = 0; o < out.length; o++) {
        let sum = b[o];
        for (let i = 0; i < x.length; i++) sum += w[k++] * x[i];
        out[o] = sum;
      }
      return out;
    };
  };
  const relu = () => x => {
    for (let i = 0; i < x.length; i++) if (x[i] < 0) x[i] = 0;
    return x;
  };
  const convTranspose = layer => {
    const w = weights(layer), b = numbers(layer.bias);
    const [ci, hi, wi] = layer.from, [co, ho, wo] = layer.to;
    const [kh, kw] = layer.kernel, [sy, sx] = layer.stride, [py, px] = layer.padding;
    const out = new Float32Array(co * ho * wo);
    return x => {
      for (let o = 0; o < co; o++) out.fill(b[o], o * ho * wo, (o + 1) * ho * wo);
      for (let c = 0, at = 0; c < ci; c++) for (let y = 0; y < hi; y++) for (let u = 0; u < wi; u++, at++) {
        const v = x[at];
        if (v === 0) continue; // after a ReLU about half of them
        const top = y * sy - py, left = u * sx - px;
        const a0 = Math.max(0, -top), a1 = Math.min(kh, ho - top);
        const e0 = Math.max(0, -left), e1 = Math.min(kw, wo - left);
        for (let o = 0; o < co; o++) for (let a = a0; a < a1; a++) {
          const k = ((c * co + o) * kh + a) * kw, to = (o * ho + top + a) * wo + left;
          for (let e = e0; e < e1; e++) out[to + e] += v * w[k + e];
        }
      }
      return out;
    };
  };
  const sigmoid = x => {
    for (let i = 0; i < x.length; i++) x[i] = 1 / (1 + Math.exp(-x[i]));
    return x;
  };
  const LAYERS = { linear, relu, convTranspose };
  const decoder = spec => {
    const layers = spec.layers.map(layer => LAYERS[layer.kind](layer));
    if (spec.mean === "sigmoid") layers.push(sigmoid);
    const decode = z => {
      decode.count++;
      let x = Float32Array.from(z);
      for (const layer of layers) x = layer(x);
      return x;
    };
    return Object.assign(decode, { shape: spec.shape, count: 0 });
  };

  const image = (canvas, pixels, [c, h, w]) => {
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    const ctx = canvas.getContext("2d"), picture = ctx.createImageData(w, h);
    for (let i = 0; i < h * w; i++) {
      for (let k = 0; k < 3; k++) {
        const v = pixels[(c === 3 ? k * h * w : 0) + i];
        picture.data[4 * i + k] = 255 * (c === 1 ? 1 - v : v);
      }
      picture.data[4 * i + 3] = 255;
    }
    ctx.putImageData(picture, 0, 0);
  };

  // ---- frames ----
  const ticker = draw => {
    let due = 0;
    const self = { count: 0, times: [], ask };
    function run() {
      due = 0;
      const begin = performance.now();
      draw();
      self.times.push(performance.now() - begin);
      if (self.times.length > 600) self.times.shift();
      self.count++;
    }
    function ask() { due ||= requestAnimationFrame(run); }
    return self;
  };
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // ---- theme ----
  const NAMES = ["ink", "muted", "line", "paper", "fill", "blue", "orange", "green", "red", "purple"];
  const probe = document.createElement("canvas");
  const brightness = colour => { // any CSS colour, 0 to 255
    probe.width = probe.height = 1;
    const ctx = probe.getContext("2d", { willReadFrequently: true });
    ctx.fillStyle = colour;
    ctx.fillRect(0, 0, 1, 1);
    const [r, g, b] = ctx.getImageData(0, 0, 1, 1).data;
    return 0.299 * r + 0.587 * g + 0.114 * b;
  };
  const colours = root => {
    const style = getComputedStyle(root);
    const found = Object.fromEntries(NAMES.map(name => [name, style.getPropertyValue(`--p-${name}`).trim()]));
    return Object.assign(found, { dark: brightness(found.paper) < 128 });
  };
  const themed = []; // weakly: an output that a notebook drops must not be kept
  const onTheme = (root, f) => {
    (root.vbOnTheme ||= []).push(f);
    if (root.vbOnTheme.length === 1) themed.push(new WeakRef(root));
  };
  const themeChanged = () => requestAnimationFrame(() => {
    for (const root of themed.map(ref => ref.deref())) if (root) root.vbOnTheme.forEach(f => f());
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
  for (const element of [document.documentElement, document.body])
    if (element) new MutationObserver(themeChanged).observe(element, {
      attributeFilter: ["data-theme", "data-mode", "theme", "class", "data-jp-theme-light", "data-jp-theme-name"],
    });

  // ---- classes on a map ----
  const LIGHT = ["#b8505d", "#332288", "#8a7510", "#117733", "#0072b2", "#882255", "#1f8a7c", "#6b6b00",
    "#aa4499", "#666666"];
  const DARK = ["#f0919c", "#9f94f5", "#ddcc77", "#55b876", "#7cc4f0", "#dc6fa0", "#5fcfbd", "#c0c04a",
    "#dd8ad0", "#bbbbbb"];
  const classColours = dark => (dark ? DARK : LIGHT);
  const tags = (ctx, view, items, high = 12) => {
    Object.assign(ctx, { font: `600 ${high}px system-ui, sans-serif`, textAlign: "center",
      textBaseline: "middle", lineJoin: "round", lineWidth: 3.5, strokeStyle: view.colours.paper });
    const placed = [];
    for (const { text, at, colour } of [...items].sort((p, q) => q.at[1] - p.at[1])) {
      const half = ctx.measureText(text).width / 2 + 2;
      const x = Math.min(view.width - half, Math.max(half, view.x(at[0])));
      let y = Math.max(high, view.y(at[1]));
      for (let moved = true; moved;) {
        moved = false;
        for (const other of placed) if (Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < high) {
          y = other.y + high + 0.1;
          moved = true;
        }
      }
      placed.push({ x, y, half });
      ctx.strokeText(text, x, y);
      ctx.fillStyle = colour;
      ctx.fillText(text, x, y);
    }
  };

  // ---- speech ----
  const say = (root, text) => {
    let voice = root.vbVoice;
    if (!voice) {
      voice = root.vbVoice = { region: el("div", { class: "vb-hidden", "aria-live": "polite" }), due: 0, text: "" };
      root.append(voice.region);
    }
    voice.text = text;
    voice.due ||= setTimeout(() => {
      voice.due = 0;
      if (voice.region.textContent !== voice.text) voice.region.textContent = voice.text;
    }, 1000);
  };

  // ---- pad ----
  const ring = (ctx, view, [x, y]) => {
    const { ink, paper } = view.colours;
    for (const [colour, width] of [[paper, 5], [ink, 2.5]]) {
      ctx.beginPath();
      ctx.arc(view.x(x), view.y(y), 8, 0, 7);
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.stroke();
    }
  };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1],
    PageDown: [0, -1], PageUp: [0, 1] };

  const pad = (host, options) => {
    const { range, names = ["z1", "z2"], label, paint, change = () => {}, describe = () => "", grabbed = () => {} } = options;
    const handle = options.handle || ring;
    const labels = Array.isArray(options.panes) ? options.panes : Array(options.panes || 1).fill("");
    const step = options.step || (range[0][1] - range[0][0]) / 60, big = options.big || 5 * step;
    const home = options.value || range.map(([a, b]) => (a + b) / 2);
    const inside = value => value.map((v, k) => Math.min(range[k][1], Math.max(range[k][0], v)));
    const self = { values: labels.map(() => [...home]), panes: [], element: host };

    // Two sliders for keys and screen readers, seen by nobody; Tab stops at the first.
    const sliders = names.map((name, k) => el("input", {
      type: "range", class: "vb-hidden", "aria-label": `${label}: ${name}`, min: range[k][0], max: range[k][1],
      step: "any", tabindex: k ? -1 : 0, "aria-roledescription": "2-D slider",
      "aria-orientation": k ? "vertical" : "horizontal",
      on: { input() { grabbed(); shift(k, Number(sliders[k].value) - self.values[0][k]); } },
    }));
    host.classList.add("vb-pad");
    host.setAttribute("role", "group");
    host.setAttribute("aria-label", label);
    host.append(...sliders);

    const views = labels.map((text, i) => {
      const pane = el("div", { class: "vb-pane" });
      const [under, over] = [0, 1].map(() => el("canvas", { "aria-hidden": "true" }));
      pane.append(under, over);
      host.append(pane);
      self.panes.push(pane);
      over.addEventListener("pointerdown", event => {
        if (event.button !== 0) return;
        event.preventDefault(); // no text selection, and the focus is ours
        sliders[0].focus({ preventScroll: true });
        try { over.setPointerCapture(event.pointerId); } catch { /* a made-up event */ }
        host.dataset.drag = event.pointerId;
        grabbed();
        follow(event, i);
      });
      over.addEventListener("pointermove", event => {
        if (host.dataset.drag === String(event.pointerId)) follow(event, i);
      });
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
        over.addEventListener(end, () => { delete host.dataset.drag; });
      return { pane, under, over, text, width: 0, height: 0 };
    });

    const follow = (event, i) => {
      const view = views[i], box = view.pane.getBoundingClientRect();
      const part = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
      const value = part.map((t, k) => range[k][0] + t * (range[k][1] - range[k][0]));
      set(labels.map(() => value));
    };
    const shift = (k, by) => set(self.values.map(v => v.map((x, j) => (j === k ? x + by : x))));
    host.addEventListener("keydown", event => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const arrow = ARROWS[event.key];
      if (!arrow && event.key !== "Home") return;
      event.preventDefault();
      event.stopPropagation(); // a notebook has plans for the arrow keys too
      grabbed();
      if (!arrow) return void set(labels.map(() => home));
      const k = arrow[0] ? 0 : 1, size = event.shiftKey || event.key.startsWith("Page") ? big : step;
      sliders[k].focus({ preventScroll: true });
      shift(k, arrow[k] * size);
    });

    const refresh = () => { // the sizes and colours of all views, and what lies beneath
      const theme = colours(host), ratio = globalThis.devicePixelRatio || 1;
      for (const [i, view] of views.entries()) {
        const box = view.pane.getBoundingClientRect();
        if (!box.width) continue;
        Object.assign(view, {
          width: box.width, height: box.height, colours: theme, ratio,
          scale: box.width / (range[0][1] - range[0][0]),
          x: v => (v - range[0][0]) / (range[0][1] - range[0][0]) * box.width,
          y: v => (range[1][1] - v) / (range[1][1] - range[1][0]) * box.height,
        });
        for (const canvas of [view.under, view.over]) {
          canvas.width = Math.round(box.width * ratio);
          canvas.height = Math.round(box.height * ratio);
        }
        const ctx = fresh(view, view.under);
        if (paint) paint(ctx, view, i);
      }
    };
    const fresh = (view, canvas) => {
      const ctx = canvas.getContext("2d");
      ctx.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
      ctx.clearRect(0, 0, view.width, view.height);
      return ctx;
    };
    let stale = true, moved = false;
    self.ticker = ticker(() => {
      if (stale) refresh();
      if (moved) {
        change(self.values);
        const [x, y] = self.values[0].map(v => number(v));
        const more = describe(self.values);
        sliders.forEach((slider, k) => {
          slider.value = self.values[0][k];
          slider.setAttribute("aria-valuetext", `${names[0]} ${x}, ${names[1]} ${y}${more ? ". " + more : ""}`);
        });
      }
      stale = moved = false;
      for (const [i, view] of views.entries())
        if (view.width) handle(fresh(view, view.over), view, self.values[i], i);
    });
    const set = values => {
      self.values = values.map(inside);
      moved = true;
      self.ticker.ask();
    };
    self.set = set;
    self.repaint = () => { stale = true; self.ticker.ask(); };
    const sizes = new ResizeObserver(self.repaint);
    views.forEach(view => sizes.observe(view.pane));
    onTheme(host, self.repaint);
    set(self.values);
    return self;
  };

  globalThis.VaeBook = { version: VERSION, start, el, number, numbers, decoder, image, ticker, still, colours,
    onTheme, classColours, tags, say, pad };
})();
