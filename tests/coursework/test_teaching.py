"""The tables of the teacher's page are those of the chapters and of the checks."""

import math
import re
from pathlib import Path

import nbformat
import pytest

from vae_lib.checks import check, questions

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
ASKED = questions()
LABEL = re.compile(r"\{ref\}`([^<`]+) <((?:ex|set)-[\w-]+)>`")
ROW = re.compile(r"^\| (\d+|[A-D]) \| (.+) \| (.+) \| (\d+|–) \| (\d+|–) \|$", re.MULTILINE)


def markdown(pattern):
    (path,) = (ROOT / "notebooks").glob(pattern)
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def rows():
    found = [match.groups() for match in ROW.finditer(PAGE)]
    assert found
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1][:30]}")
def test_a_row_has_the_points_and_minutes_of_its_exercises(row):
    _, _, exercises, points, minutes = row
    names = [label for _, label in LABEL.findall(exercises)]
    if not names:
        assert (points, minutes) == ("–", "–")
        return
    assert sum(ASKED[name].points for name in names) == int(points)
    assert sum(ASKED[name].minutes for name in names) == int(minutes)


@pytest.mark.parametrize("row", [r for r in rows() if r[0].isdigit()], ids=lambda r: r[1][:30])
def test_an_objective_is_the_chapters_own(row):
    text = markdown(f"{int(row[0]):02}_*.ipynb")
    opening = text[text.index("After this chapter") : text.index("**Time:**")]
    assert f"- {row[1]}" in opening


def test_each_exercise_stands_in_one_row_under_its_own_title():
    listed = LABEL.findall("\n".join(row[2] for row in rows()))
    assert sorted(label for _, label in listed) == sorted(ASKED)
    texts = {row[0]: None for row in rows()}
    for key in texts:
        texts[key] = markdown(f"{int(key):02}_*.ipynb" if key.isdigit() else f"set_{key.lower()}_*")
    for title, label in listed:
        part = label.split("-")[1]
        text = texts[str(int(part)) if part.isdigit() else part.upper()]
        head = rf"\{{exercise\}} {re.escape(title)} \(\d+ points?, \d+ minutes\)\n:label: {label}\n"
        assert re.search(head, text), (title, label)


@pytest.mark.parametrize(
    "heading, chapters, sets",
    [
        ("## Path 2", (1, 2, 3, 4, 5, 8, 9, 10, 12), "ad"),
        ("## Path 3", (1, 2, 3, 4, 5, 8, 9, 10, 12, 13), "abcd"),
    ],
)
def test_the_hours_of_a_path_are_those_that_its_pages_print(heading, chapters, sets):
    minutes = sum(
        int(re.search(r"\*\*Time:\*\* about (\d+) minutes", markdown(f"{n:02}_*.ipynb"))[1])
        for n in chapters
    )
    minutes += sum(q.minutes for name, q in ASKED.items() if name[:3] == "set" and name[4] in sets)
    if "b" in sets:  # its written answers, which no check asks
        minutes += int(re.search(r"written answers, (\d+) minutes", markdown("set_b_*.ipynb"))[1])
    section = PAGE[PAGE.index(heading) :]
    assert round(minutes / 60) == int(re.search(r"about (\d+) hours", section)[1])


def test_the_outputs_on_the_page_are_what_the_checks_say():
    def without_the_two(b):
        return 0.5 * math.log(2 * math.pi) + b**2 / 2 - (2 * b).log() - 1

    assert repr(check("ex-03-laplace", without_the_two)) in PAGE
    stated = re.search(r'check\("set-a-kl", gaussian_kl\)\.points == (\d+)', PAGE)
    assert int(stated[1]) == ASKED["set-a-kl"].points


def test_each_objective_of_each_chapter_has_a_row():
    for number in {row[0] for row in rows() if row[0].isdigit()}:
        text = markdown(f"{int(number):02}_*.ipynb")
        opening = text[text.index("After this chapter") : text.index("**Time:**")]
        assert opening.count("\n- ") == sum(row[0] == number for row in rows())
