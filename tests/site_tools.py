"""What the site's tests look at: each check takes a loaded page and returns a list of problems.

An empty list is a pass. The tests of the built book and the tests that plant a fault use the
very same functions.
"""

import contextlib
import functools
import http.server
import os
import shutil
import socketserver
import threading
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--disable-quic",
]  # fmt: skip

# Known faults of the theme itself, allowed outside of the article only.
AXE_OF_THE_THEME = {
    "label-content-name-mismatch": "the theme's labels of its search and source buttons",
    "region": "the theme leaves its search overlay and skip link outside of landmarks",
}
# The bibliography alone: docutils marks its list and entries with roles that do not go together.
AXE_ALLOWED_IN_REFERENCES = {
    "aria-allowed-role", "aria-deprecated-role", "aria-required-children",
}  # fmt: skip


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def in_ci() -> bool:
    """CI=true (or anything but an empty, 0 or false value) means: no browser is a failure."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serve(folder: Path):
    """Serve a folder on a free local port; yields the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Watch:
    """Records what a page asks of the network and says on its console."""

    def __init__(self, page):
        self.requests, self.errors = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        page.on(
            "response",
            lambda answer: (
                answer.status >= 400 and self.errors.append(f"status {answer.status}: {answer.url}")
            ),
        )
        page.on(
            "console",
            lambda message: (
                message.type == "error" and self.errors.append(f"console: {message.text}")
            ),
        )

    def outside(self, home: str) -> list[str]:
        """Requests to anywhere but `home` (data: and blob: addresses stay inside the page)."""
        inside = (home, "data:", "blob:")
        return [url for url in self.requests if not url.startswith(inside)]


def settle(page) -> None:
    """Wait until MathJax, where the page has it, has typeset everything."""
    page.evaluate("() => window.MathJax?.startup?.promise?.then(() => true) ?? true")


MATH = r"""() => {
  const problems = [];
  const wanted = document.querySelectorAll("span.math, div.math");
  for (const element of wanted)
    if (!element.querySelector("mjx-container"))
      problems.push("not typeset: " + element.textContent.slice(0, 60));
  for (const error of document.querySelectorAll("mjx-merror"))
    problems.push("TeX error: " + (error.getAttribute("data-mjx-error") || error.textContent));
  const prose = "article :is(p, li, td, th, dd, h1, h2, h3, figcaption)";
  for (const element of document.querySelectorAll(prose)) {
    const copy = element.cloneNode(true);
    copy.querySelectorAll("code, pre, mjx-container, script").forEach(x => x.remove());
    const raw = copy.textContent.match(/\\[(\[]|\\[a-zA-Z]{2,}|\$[^$\s]+\$|\$\$/);
    if (raw) problems.push("raw TeX: " + copy.textContent.trim().slice(0, 80));
  }
  return problems;
}"""

IMAGES = """() => {
  const problems = [];
  for (const image of document.querySelectorAll("article img")) {
    if (!(image.getAttribute("alt") || "").trim())
      problems.push("no alt text: " + image.getAttribute("src"));
    else if (/^(_|\\.\\.?)?[/\\w-]*\\.(png|svg|jpe?g)$/.test(image.alt))
      problems.push("the alt text is a file name: " + image.alt);
    if (!image.complete || image.naturalWidth === 0)
      problems.push("does not load: " + image.getAttribute("src"));
  }
  for (const drawing of document.querySelectorAll("article svg.vb-figure")) {
    if (drawing.getAttribute("role") !== "img" || !drawing.getAttribute("aria-label"))
      problems.push("a drawing without role or label: " + drawing.id);
  }
  const ids = [...document.querySelectorAll("[id]")].map(x => x.id);
  for (const id of new Set(ids.filter((x, i) => ids.indexOf(x) !== i)))
    problems.push("two elements with id " + id);
  return problems;
}"""

FOLDED = """() => [...document.querySelectorAll(".solution.dropdown, details.vb-long")]
  .filter(x => x.tagName === "DETAILS" ? x.open : !x.classList.contains("toggle-hidden"))
  .map(x => "open at load: " + x.textContent.trim().slice(0, 60))"""

OVERFLOW = """() => {
  const cut = [...document.querySelectorAll("article mjx-container")].filter(x => {
    const block = x.closest("p, li, dd, td, figcaption, div.math");
    return block && x.getBoundingClientRect().right > block.getBoundingClientRect().right + 3;
  });
  if (cut.length) return cut.slice(0, 3).map(x => "formula cut off: " + x.textContent);
  const width = document.documentElement.scrollWidth;
  if (width <= innerWidth + 1) return [];
  const wide = [...document.querySelectorAll("body *")].filter(
    x => x.getBoundingClientRect().right > innerWidth + 1);
  return [`${width} px on a screen of ${innerWidth}: ` +
    wide.slice(0, 3).map(x => x.tagName + "." + x.className).join(", ")];
}"""

# axe judges contrast too, but passes over what it cannot place; this walks up to the first
# opaque background and so sees the theme's light-on-light outputs.
CONTRAST = """(dark) => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const part = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const behind = x => {
    for (; x; x = x.parentElement) {
      const c = parse(getComputedStyle(x).backgroundColor);
      if (c.length === 3 || c[3] > 0.5) return c;
    }
    return dark ? [0, 0, 0] : [255, 255, 255];
  };
  const problems = [];
  const text = "article :is(p, li, td, th, dt, dd, h1, h2, h3, figcaption, summary, " +
    "legend, label), .highlight pre, .highlight pre span, " +
    ".cell_output pre, .cell_output .text_html, .cell_output .text_html *";
  for (const element of document.querySelectorAll(text)) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.getClientRects().length) continue;
    const a = light(parse(getComputedStyle(element).color)), b = light(behind(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5)
      problems.push(`contrast ${ratio.toFixed(1)}: ` + element.textContent.trim().slice(0, 50));
  }
  return problems;
}"""


def contrast(page, scheme: str) -> list[str]:
    """Contrast of the prose, the code and the outputs under the reader's "light" or "dark"."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("s => document.documentElement.dataset.theme === s", arg=scheme)
    page.evaluate("() => Promise.all(document.getAnimations().map(a => a.finish()))")
    return page.evaluate(CONTRAST, scheme == "dark")


def overflow(page, width: int = 390) -> list[str]:
    page.set_viewport_size({"width": width, "height": 844})
    # the page answers to its new size in the next frame
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return page.evaluate(OVERFLOW)


AXE = """async ([where, options]) => (await axe.run(where, options)).violations.flatMap(
  fault => fault.nodes.map(node => ({
    rule: fault.id,
    text: `${fault.id}: ${fault.help}: ${node.html.slice(0, 120)}`,
    ours: Boolean(document.querySelector(node.target[0])?.closest("article")),
  })))"""


def axe(page, allowed=frozenset(), rules: tuple = ()) -> list[str]:
    """What axe-core finds, but for `allowed` rules and, around the article, the theme's own."""
    if not page.evaluate("() => 'axe' in window"):
        script = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js")
        page.evaluate(script.read_text(encoding="utf-8"))
    # Inside MathJax's output there is nothing of ours to judge, and it is most of the page.
    # Of code only the contrast is to be judged: CONTRAST does, in a hundredth of axe's time.
    where = {"exclude": [["mjx-container"], [".highlight pre"]]}
    # "preload" would fetch the theme's style sheets again, from a wrong address.
    options = {"resultTypes": ["violations"], "iframes": False, "preload": False}
    if rules:
        options["runOnly"] = list(rules)
    return [
        fault["text"]
        for fault in page.evaluate(AXE, [where, options])
        if fault["rule"] not in allowed and (fault["ours"] or fault["rule"] not in AXE_OF_THE_THEME)
    ]


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links = set(), []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(filter(None, (attrs.get("id"), attrs.get("name"))))
        if tag in ("a", "link", "img", "script"):
            self.links += filter(None, (attrs.get("href"), attrs.get("src")))


@functools.cache
def _read(path: Path) -> _Links:
    parser = _Links()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def broken_links(page: Path, root: Path) -> list[str]:
    """Relative links of a built page that lead to no file under `root`, or to no anchor in it."""
    problems = []
    for link in _read(page).links:
        if urlsplit(link).scheme or link.startswith("//"):
            continue
        address, anchor = urldefrag(link)
        target = page.parent / unquote(address.split("?")[0]) if address else page
        if target.is_dir():
            target /= "index.html"
        if not target.is_file() or root.resolve() not in target.resolve().parents:
            problems.append(f"no such file: {link}")
        elif anchor and target.suffix == ".html" and unquote(anchor) not in _read(target).ids:
            problems.append(f"no such anchor: {link}")
    return problems
