"""What the checks of the exercises must prove, for every question of every chapter and set."""

import ast
from pathlib import Path

import pytest
import torch
from planting import all_planted, load
from references import reference, stub

import vae_lib.checks as checks
from vae_lib.checks import find_question, questions, report_on
from vae_lib.checks.calling import Reply
from vae_lib.checks.engine import Wrong, ask_here, leaf_values

QUESTIONS = questions()
PLANTED = all_planted()
NAMES = sorted(QUESTIONS)
SEEDS = range(8)
MOST_CALLS = 40
FOLDER = Path(checks.__file__).parent
BESIDE = {"torch", "math", "dataclasses", "collections", "difflib", "importlib", "pathlib",
          "itertools", "functools"}  # fmt: skip


def hints_of(question, ask, seed=0):
    """{title: hint}, the hint "" where the check holds."""
    return {title: hint for title, _, hint in report_on(question, ask, seed).lines}


# -- the reference and the stub -------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_earns_full_marks_with_every_seed(name):
    question, ask = QUESTIONS[name], ask_here(reference(name))
    for seed in SEEDS:
        assert not any(hints_of(question, ask, seed).values()), hints_of(question, ask, seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_earns_nothing(name):
    report = checks.check(name, stub(name))
    assert report.points == 0 and not report.written
    assert "not written yet" in repr(report)


# -- answers that say nothing ---------------------------------------------------------------------


def like(value, make):
    """The value with `make` in the place of every number or tensor."""
    if isinstance(value, dict):
        return {key: like(item, make) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(like(item, make) for item in value)
    if isinstance(value, torch.Tensor):
        return make(value)
    if isinstance(value, str):
        return ""
    return make(torch.as_tensor(value)).item() if value is not None else None


def noise(t):
    return torch.randn(t.shape) if t.is_floating_point() else torch.randint(0, 2, t.shape).to(t)


def trivial_answers(function):
    """Functions that return something of the right form and know nothing."""
    yield "None", lambda *args: None
    for number in (0.0, 1.0, -1.0, 0.5):
        yield f"the number {number}", lambda *args, n=number: n
        yield (
            f"all {number}",
            lambda *args, n=number: like(function(*args), lambda t: torch.full_like(t, n)),
        )
    yield "noise", lambda *args: like(function(*args), noise)
    for place in range(4):
        yield f"input {place}", lambda *args, p=place: args[p] if p < len(args) else None


@pytest.mark.parametrize("name", NAMES)
def test_trivial_answers_earn_nothing_on_any_check(name):
    question = QUESTIONS[name]
    for what, answer in trivial_answers(reference(name)):
        hints = hints_of(question, ask_here(answer))
        earned = [title for title, hint in hints.items() if not hint]
        assert not earned, f"{what} earns {earned}"


# -- planted mistakes -----------------------------------------------------------------------------


@pytest.mark.parametrize("one", PLANTED, ids=lambda p: f"{p.question}: {p.hint}")
def test_a_planted_mistake_loses_its_check_with_its_hint(one):
    question = find_question(one.question)
    hints = hints_of(question, ask_here(load(one.source, question.function)))
    assert one.hint in hints[one.check], hints


def test_there_are_forty_planted_mistakes_and_more():
    assert len({(p.question, p.source) for p in PLANTED}) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_no_check_is_vacuous(name):
    """For each check an answer is planted that only this check catches: without it, it passes."""
    question = QUESTIONS[name]
    alone = set()
    for one in (p for p in PLANTED if p.question == name):
        hints = hints_of(question, ask_here(load(one.source, question.function)))
        failed = [title for title, hint in hints.items() if hint]
        if len(failed) == 1:
            alone.update(failed)
    assert alone == {check.title for check in question.checks}


def asking(formula):
    """`ask` for the formula of a known mistake: it gets what the check's own formulas get."""
    return lambda *args, seed=0, wrt=(): Reply(formula(*args))


NAMED = [(q, c, m) for q in QUESTIONS.values() for c in q.checks for m in c.mistakes]


@pytest.mark.parametrize("question, check, mistake", NAMED, ids=lambda v: getattr(v, "name", ""))
def test_each_named_mistake_gets_its_own_hint(question, check, mistake):
    """So no two mistakes of a check give the same values, and none gives the right ones."""
    hint, formula = mistake
    for seed in SEEDS:
        with pytest.raises(Wrong) as caught:
            check.run(asking(formula), torch.Generator().manual_seed(seed))
        assert str(caught.value) == hint


# -- form and cost --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_check_asks_few_questions(name):
    """Speed is guarded by a count; `experiments/benchmark_checks.py` measures it."""
    calls, sizes = [], []
    ask = ask_here(reference(name))

    def counting(*args, **options):
        calls.append(args)
        sizes.extend(a.numel() for a in leaf_values(args) if isinstance(a, torch.Tensor))
        return ask(*args, **options)

    report_on(QUESTIONS[name], counting)
    assert len(calls) <= MOST_CALLS
    assert max(sizes, default=0) <= 200_000


@pytest.mark.parametrize("name", NAMES)
def test_a_check_leaves_the_random_stream_alone(name):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    checks.check(name, reference(name))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_checks_need_torch_alone(path):
    """So they run in Colab, whose IPython and ipywidgets are older, with nothing installed."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= BESIDE
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.split(".")[0] in BESIDE


def test_the_names_are_unique_and_titles_differ_within_a_question():
    functions = [(q.name, q.function) for q in QUESTIONS.values()]
    assert len({name for name, _ in functions}) == len(functions)
    for question in QUESTIONS.values():
        titles = [check.title for check in question.checks]
        assert len(set(titles)) == len(titles) and titles
        assert question.minutes > 0 and all(check.points > 0 for check in question.checks)


# -- bad input ------------------------------------------------------------------------------------


def test_an_unknown_exercise_offers_the_nearest():
    with pytest.raises(KeyError, match="ex-03-laplace"):
        checks.check("ex-03-laplce", lambda b: b)


def test_a_value_in_place_of_the_function_is_refused():
    with pytest.raises(TypeError, match="without a call"):
        checks.check("ex-03-laplace", torch.ones(3))


def test_an_answer_that_raises_is_told_so():
    def answer(b):
        raise RuntimeError("boom")

    assert "it raised RuntimeError: boom" in repr(checks.check("ex-03-laplace", answer))


def test_changing_an_input_in_place_is_vetoed():
    right = reference("ex-03-laplace")

    def answer(b):
        value = right(b.clone())
        b += 1
        return value

    assert "in place" in repr(checks.check("ex-03-laplace", answer))
