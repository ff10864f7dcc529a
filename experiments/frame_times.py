"""How long a frame of the explorer takes while its handle is dragged, in headless Chromium.

    python experiments/frame_times.py [--seconds N]

Needs playwright and a browser (see CONTRIBUTING.md).  Writes results/frame_times.json: the
milliseconds of the script for a frame (two decodes, two maps, text), and the intervals between
frames as the browser gave them, whose floor is the screen's 16.7 ms at 60 Hz.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import torch

import vae_lib as vl
from vae_lib.explore import LatentExplorer

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "frame_times.json"
sys.path.append(str(ROOT / "tests"))
MODELS = {"CAE": "cae_plane", "VAE": "vae_plane"}
# one move of the pointer before every frame, round and round over the map
DRAG = """async seconds => {
  const piece = document.querySelector(".vb-piece").vaebook, ticker = piece.map.ticker;
  const canvas = document.querySelectorAll(".vb-pane canvas")[1];
  const box = canvas.getBoundingClientRect();
  const send = (type, t) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, button: 0,
    bubbles: true, clientX: box.x + box.width * (0.5 + 0.4 * Math.cos(3 * t)),
    clientY: box.y + box.height * (0.5 + 0.4 * Math.sin(2 * t)) }));
  const frame = () => new Promise(requestAnimationFrame);
  send("pointerdown", 0);
  for (let i = 0; i < 60; i++) { send("pointermove", i / 60); await frame(); }  // warm up
  const work = [], intervals = [], begin = await frame();
  for (let last = begin; last - begin < 1000 * seconds;) {
    send("pointermove", (last - begin) / 1000);
    const now = await frame();
    intervals.push(now - last);
    work.push(ticker.times.at(-1));
    last = now;
  }
  send("pointerup", 0);
  return { work, intervals };
}"""


def summary(times):
    """Median, 95th percentile and largest, in ms."""
    cuts = statistics.quantiles(times, n=20)
    return {
        "median": round(statistics.median(times), 2),
        "p95": round(cuts[18], 2),
        "max": round(max(times), 2),
    }


def explorer():
    """The explorer of chapter 10."""
    images, labels = vl.load_fashion_mnist("test")
    binary = vl.binarize(images, torch.Generator().manual_seed(0))
    models = {name: vl.load_run(run)[0] for name, run in MODELS.items()}
    return LatentExplorer(models, binary, labels, vl.FASHION_CLASSES, shown=images)


def measure(seconds):
    """Drag in the explorer on a page from the disk; returns the result as plain JSON."""
    from playwright.sync_api import sync_playwright
    from site_tools import ARGUMENTS, find_browser

    body = explorer()._repr_html_()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(f"<!doctype html><meta charset='utf-8'>{body}", encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 760, "height": 900})
        page.goto(file.as_uri())
        page.wait_for_function("() => document.querySelector('.vb-piece').vaebook")
        times = page.evaluate(DRAG, seconds)
        version = browser.version
        browser.close()
    return {
        "frames": len(times["work"]),
        "script_ms": summary(times["work"]),
        "interval_ms": summary(times["intervals"]),
        "page_kb": round(len(body.encode()) / 1000),
        "browser": f"headless Chromium {version}, no GPU",
        "cores": os.cpu_count(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    result = measure(parser.parse_args().seconds)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
