"""Tensors of torch as arrays: scorefn never imports torch, and reads what its tensors hold."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorefn
from _functions import FUNCTIONS, INDICES, MATRICES, WEIGHTS, arguments_of, call_with, same_bits
from scorefn import _check

torch = pytest.importorskip("torch")

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

INPUTS = [(f, name) for f in FUNCTIONS for name in (*MATRICES[f], *WEIGHTS.get(f, ()))]


def tensors(arguments: dict[str, Any], **dtypes: Any) -> dict[str, Any]:
    """The arguments as tensors, some of them of another dtype."""
    return {
        name: torch.from_numpy(x).to(dtypes.get(name)) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensors_are_arrays(function: str, dtype: Any) -> None:
    arguments = arguments_of(function, dtype)
    assert same_bits(call_with(function, **tensors(arguments)), call_with(function, **arguments))
    masks = tensors(arguments, where=torch.int8)
    assert same_bits(call_with(function, **masks), call_with(function, **arguments))


@pytest.mark.parametrize(("function", "name"), INPUTS)
def test_bfloat16_is_read_as_float32(function: str, name: str) -> None:
    """As autocast gives them: the result is that of the same numbers in float32."""
    arguments = arguments_of(function, np.float32)
    half = tensors(arguments, **{name: torch.bfloat16})
    exact = {**arguments, name: half[name].float().numpy()}
    assert not np.array_equal(exact[name], arguments[name])
    assert same_bits(call_with(function, **half), call_with(function, **exact))
    strided = torch.stack([half[name], half[name]], dim=-1)[..., 0]
    assert same_bits(call_with(function, **{**half, name: strided}), call_with(function, **exact))


def test_bfloat16_in_policies_and_credit() -> None:
    x = torch.linspace(-1.0, 1.0, 6).reshape(3, 2).bfloat16()
    policy = scorefn.LinearPolicy(np.arange(4.0, dtype=np.float32).reshape(2, 2))
    assert same_bits(policy.logits(x), policy.logits(x.float().numpy()))
    rewards = _check.check_real("rewards", x)
    assert same_bits(rewards, x.double().numpy())
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = x.float().numpy().astype(ml_dtypes.bfloat16)
    assert same_bits(_check.check_real("rewards", array), rewards)


def test_readme() -> None:
    """Its step gives a model the gradient that automatic differentiation gives it.

    The tolerance is 10 times the spacing of float32 at 1, as all terms are sums of a few dozen
    products of that size.
    """
    rng = np.random.default_rng(0)
    model = torch.nn.Linear(4, 3)
    observations = torch.from_numpy(rng.normal(size=(32, 4)).astype(np.float32))
    actions, old_log_prob = scorefn.sample(np.zeros((32, 3), np.float32), rng=rng)
    advantages = rng.normal(size=32)

    log_probs = torch.log_softmax(model(observations), -1)[range(32), actions]
    ratio, a = (log_probs - torch.from_numpy(old_log_prob)).exp(), torch.from_numpy(advantages)
    (-torch.minimum(ratio * a, ratio.clip(0.8, 1.2) * a).mean()).backward()
    expected = [p.grad.clone() for p in model.parameters()]

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    [snippet] = re.findall(r"^```python\n(logits = model.*?)^```$", README, re.M | re.S)
    exec(snippet, dict(globals(), **locals()))
    for p, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(p.grad, gradient, rtol=0, atol=10 * np.finfo(np.float32).eps)


UNREADABLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "requires_grad": (lambda x: x.requires_grad_(), r"got torch\.Tensor: .*detach\(\)"),
    "Parameter": (torch.nn.Parameter, r"got torch\.nn\.Parameter: .*detach\(\)"),
    "bfloat16 that requires grad": (
        lambda x: x.bfloat16().requires_grad_(),
        r"got torch\.Tensor: .*detach\(\)",
    ),
    "another device": (lambda x: x.to("meta"), r"got torch\.Tensor: .*cpu\(\)"),
    "bfloat16 on another device": (
        lambda x: x.bfloat16().to("meta"),
        r"got torch\.Tensor: .*cpu\(\)",
    ),
    "sparse": (lambda x: x.to_sparse(), r"got torch\.Tensor: .*to_dense\(\)"),
    "conjugate": (lambda x: x.to(torch.complex64).conj(), r"got torch\.Tensor: .*resolve_conj\(\)"),
    "float8": (lambda x: x.to(torch.float8_e4m3fn), r"got torch\.Tensor: .*Float8_e4m3fn"),
}


@pytest.mark.parametrize("way", UNREADABLE)
@pytest.mark.parametrize(("function", "name"), INPUTS)
def test_what_numpy_cannot_read_says_what_to_call(function: str, name: str, way: str) -> None:
    make, message = UNREADABLE[way]
    arguments = arguments_of(function, np.float32)
    bad = make(torch.from_numpy(arguments[name]))
    message = f"^{name} must be an array, {message}"
    with pytest.raises(TypeError, match=message):
        call_with(function, **{**arguments, name: bad})
    with pytest.raises(TypeError, match=message):
        _check.to_array(name, bad)


@pytest.mark.parametrize(("function", "names"), INDICES.items())
def test_actions_on_another_device(function: str, names: tuple[str, ...]) -> None:
    arguments = arguments_of(function)
    for name in names:
        bad = torch.from_numpy(arguments[name]).to("meta")
        with pytest.raises(TypeError, match=rf"^{name} must be an array, got torch\.Tensor: .*cpu"):
            call_with(function, **{**arguments, name: bad})


def test_other_objects_of_torch() -> None:
    seeds = "rng must be None, an int seed or a numpy.random.Generator, got torch"
    for call_, message in (
        (lambda: scorefn.sample([0.0, 0.0], rng=torch.Generator()), f"{seeds}.Generator: draw an"),
        (lambda: scorefn.sample([0.0, 0.0], rng=torch.zeros(2)), f"{seeds}.Tensor"),
        (lambda: scorefn.softmax([0.0], out=torch.zeros(1)), "be an ndarray, got torch.Tensor"),
        (
            lambda: scorefn.score_gradient([0.0], [0], [1.0], accumulate=torch.tensor(True)),
            "accumulate must be a bool, got torch.Tensor",
        ),
        (lambda: scorefn.softmax(torch.float32), "logits must be float16, bfloat16, float32"),
        (lambda: scorefn.LogitsPolicy(torch.zeros(2, requires_grad=True)), "got torch.Tensor: Can"),
    ):
        with pytest.raises(TypeError, match=re.escape(message)):
            call_()


def test_torch_is_never_imported() -> None:
    code = (
        "import sys, numpy as np, scorefn; scorefn.softmax([[0.0]], where=[[True]]);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
