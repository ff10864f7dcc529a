"""The pen of draw.py: a small SVG writer, standard library only and deterministic.

Colours are CSS variables with light fallbacks: a page that inlines a figure recolours it for
dark mode, and anywhere else the fallbacks apply. Arrowheads are drawn as triangles, so that no
marker ids can clash on a page with several figures.
"""

import math
import re
from html import escape

COLORS = {
    "ink": "#1f2328",
    "muted": "#59636e",
    "line": "#8c959f",
    "paper": "#ffffff",
    "fill": "#f3f5f8",
    "blue": "#0b5cad",
    "orange": "#b35900",
    "green": "#1a7f37",
    "red": "#c2293b",
    "purple": "#7a3ec8",
}
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
SERIF = "'STIX Two Text', 'Cambria Math', 'Times New Roman', 'Liberation Serif', serif"
MATH = re.compile(r"([_^])(?:\{(.*?)\}|(.))|([A-Za-z]{2,}|[^A-Za-zα-ω_^]+)|([A-Za-zα-ω])")


def color(name):
    """The CSS variable of a named colour, with its light value as the fallback."""
    return "none" if name is None else f"var(--vb-{name}, {COLORS[name]})"


def number(value):
    """A coordinate with at most two decimals and no negative zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def tag(name, body=None, **attributes):
    """One XML element; underscores in attribute names become hyphens, None is left out."""
    text = ""
    for key, value in attributes.items():
        if value is not None:
            value = number(value) if isinstance(value, (int, float)) else escape(value, quote=False)
            text += f' {key.replace("_", "-")}="{value}"'
    return f"<{name}{text}/>" if body is None else f"<{name}{text}>{body}</{name}>"


def math_runs(source, level=""):
    """Split TeX-like math into (text, italic, level): single letters slant, the rest stands."""
    for shift, braced, single, upright, letter in MATH.findall(source):
        if shift:
            yield from math_runs(braced or single, shift)
        else:
            yield (upright or letter).replace("|", "\u2009|\u2009"), bool(letter), level


def spans(text, size):
    """Text with $math$ in it as tspans; sub- and superscripts move by dy, the next moves back."""
    height, out = 0.0, []
    for i, part in enumerate(text.split("$")):
        if i % 2 == 0:
            out.append(tag("tspan", escape(part), dy=-height or None) if part else "")
            height = 0.0 if part else height
            continue
        for run, italic, level in math_runs(part):
            target = {"": 0.0, "_": 0.24, "^": -0.38}[level] * size
            out.append(
                tag(
                    "tspan",
                    escape(run),
                    dy=(target - height) or None,
                    font_family=SERIF,
                    font_size=size * (0.82 if level else 1.14),
                    font_style="italic" if italic else None,
                )
            )
            height = target
    return "".join(out)


class Figure:
    """A list of SVG elements with a few drawing verbs. Later elements lie on top."""

    def __init__(self, name, width, height, title, desc):
        self.name, self.title, self.desc = name, title, desc
        self.width, self.height, self.items = width, height, []
        self.rect(0, 0, width, height, "paper", None, radius=10)

    def add(self, name, body=None, fill=None, stroke=None, **attributes):
        """Any element; fill and stroke are names from COLORS or None."""
        self.items.append(tag(name, body, fill=color(fill), stroke=color(stroke), **attributes))

    def rect(self, x, y, w, h, fill="fill", stroke="line", radius=6, opacity=None, dash=None):
        self.add(
            "rect",
            None,
            fill,
            stroke,
            x=x,
            y=y,
            width=w,
            height=h,
            rx=radius or None,
            fill_opacity=opacity,
            stroke_width=1.5 if stroke else None,
            stroke_dasharray=dash,
        )

    def polygon(self, points, fill, stroke=None, opacity=None):
        self.add(
            "polygon",
            None,
            fill,
            stroke,
            fill_opacity=opacity,
            stroke_linejoin="round",
            points=" ".join(f"{number(x)},{number(y)}" for x, y in points),
            stroke_width=1.5 if stroke else None,
        )

    def circle(self, cx, cy, r, fill=None, stroke=None, opacity=None, width=1.5):
        self.add(
            "circle",
            None,
            fill,
            stroke,
            cx=cx,
            cy=cy,
            r=r,
            fill_opacity=opacity,
            stroke_width=width if stroke else None,
        )

    def label(self, x, y, text, size=16, fill="ink", anchor="middle", bold=False, halo=None):
        """Text whose baseline is at y; a halo keeps it legible on top of dots and lines."""
        self.add(
            "text",
            spans(text, size),
            fill,
            halo,
            x=x,
            y=y,
            font_size=size,
            text_anchor=anchor,
            font_weight="600" if bold else None,
            stroke_width=4 if halo else None,
            paint_order="stroke" if halo else None,
        )

    def box(self, cx, cy, w, h, text, stroke="line", size=17):
        """A deterministic node: a tinted box around its centre."""
        self.rect(cx - w / 2, cy - h / 2, w, h, stroke, stroke, opacity=0.1)
        self.label(cx, cy + 0.34 * size, text, size)

    def random_node(self, cx, cy, r, text="", stroke="orange", size=19):
        """A random node: a double circle around its centre."""
        self.circle(cx, cy, r, stroke, stroke, opacity=0.12)
        self.circle(cx, cy, r - 4, None, stroke)
        self.label(cx, cy + 0.3 * size, text, size)

    def arrow(self, *points, stroke="ink", dash=None, curve=False, width=1.8, head=True):
        """A line through points (or one cubic with four) whose arrowhead ends in the last."""
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        bx, by = (x1 - 10 * ux, y1 - 10 * uy) if head else (x1, y1)
        path = [f"{number(x)} {number(y)}" for x, y in [*points[:-1], (bx, by)]]
        d = f"M{path[0]} C{', '.join(path[1:])}" if curve else f"M{' L'.join(path)}"
        self.add(
            "path",
            None,
            None,
            stroke,
            d=d,
            stroke_width=width,
            stroke_dasharray=dash,
            stroke_linejoin="round",
        )
        if head:
            wings = [(bx - 4.8 * uy, by + 4.8 * ux), (bx + 4.8 * uy, by - 4.8 * ux)]
            self.polygon([(x1, y1), *wings], stroke)

    def svg(self):
        """The whole file. Title and description come first: they are its accessible text."""
        ids = [f"{self.name}-title", f"{self.name}-desc"]
        head = [
            tag("title", escape(self.title), id=ids[0]),
            tag("desc", escape(self.desc), id=ids[1]),
        ]
        return (
            tag(
                "svg",
                "\n" + "\n".join([*head, *self.items]) + "\n",
                xmlns="http://www.w3.org/2000/svg",
                viewBox=f"0 0 {self.width} {self.height}",
                role="img",
                aria_labelledby=" ".join(ids),
                font_family=SANS,
            )
            + "\n"
        )
