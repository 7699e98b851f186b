"""The docstrings of the extension: complete, of the right parameters, with examples that run."""

import doctest
import inspect
import re

import pytest

from scorefn import _core

FUNCTIONS = sorted(name for name, value in vars(_core).items() if inspect.isbuiltin(value))


def section(doc: str, title: str) -> str:
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n---|\Z)", doc, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters(name: str) -> None:
    function = getattr(_core, name)
    signature = inspect.signature(function)
    assert all(
        (parameter.kind is parameter.KEYWORD_ONLY) == (parameter.default is not parameter.empty)
        for parameter in signature.parameters.values()
    )
    if signature.parameters:
        described = re.findall(r"^(\w+) : ", section(function.__doc__, "Parameters"), re.MULTILINE)
        assert sorted(described) == sorted(signature.parameters)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sections(name: str) -> None:
    doc = getattr(_core, name).__doc__
    assert re.match(r"[A-Z][^\n]*\.\n(\n|\Z)", doc), "the first line is a sentence"
    if name not in ("set_num_threads", "set_worker_process", "share_again"):
        section(doc, "Returns")
    if inspect.signature(getattr(_core, name)).parameters:
        section(doc, "Raises")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples(name: str) -> None:
    examples = doctest.DocTestParser().get_doctest(getattr(_core, name).__doc__, {}, name, None, 0)
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0
