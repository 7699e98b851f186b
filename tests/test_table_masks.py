"""The mask of a table is the policy's own: given to it, filled by a training loop, and kept."""

import copy
import pickle

import numpy as np
import pytest

from scorefn import TabularPolicy, load_policy


@pytest.mark.parametrize("num_samples", [3, 5])  # as many as states, and not
@pytest.mark.parametrize("mask", ["table", "samples", "one", "list"])
def test_no_call_takes_a_mask(mask, num_samples):
    policy = TabularPolicy(np.zeros((3, 2)))
    states, actions = np.zeros(num_samples, int), np.zeros(num_samples, int)
    where = {
        "table": np.ones((3, 2), bool),
        "samples": np.ones((num_samples, 2), bool),
        "one": np.ones(2, bool),
        "list": [True, True],
    }[mask]
    weights = np.ones(num_samples)
    for call in (
        lambda: policy.sample(states, where=where),
        lambda: policy.log_prob(states, actions, where=where),
        lambda: policy.entropy(states, where=where),
        lambda: policy.gradient(states, actions, weights, where=where),
        lambda: policy.gradient_statistics(states, actions, weights, where=where),
    ):
        with pytest.raises(TypeError, match=r"pass it to TabularPolicy\(table, where=mask\)"):
            call()


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8])
def test_it_is_live(dtype):
    mask = np.zeros((2, 3), dtype)
    policy = TabularPolicy(np.zeros((2, 3)), where=mask)
    with pytest.raises(ValueError, match=r"logits\[0\] has no allowed action"):
        policy.sample([1, 0])
    mask[:, 1] = 1
    assert policy.sample([1, 0]).actions.tolist() == [1, 1]
    assert policy.where.dtype == np.bool_
    assert np.shares_memory(policy.where, mask)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8])
def test_learn_mask(dtype):
    policy = TabularPolicy(np.zeros((4, 2)), where=np.zeros((4, 2), bool))
    policy.learn_mask([[3], [3]], np.array([[[0, 1]], [[0, 1]]], dtype))
    policy.learn_mask(2, np.array([1, 1], dtype))
    policy.learn_mask([0, 3], np.array([[0, 0], [0, 1]], dtype))  # nothing is known of 0 yet
    policy.learn_mask([], np.ones((0, 2), dtype))
    assert policy.where.tolist() == [[False] * 2, [False] * 2, [True] * 2, [False, True]]
    before = policy.where.copy()
    for states, masks, message in (
        ([0, 3], [[1, 0], [1, 1]], r"masks\[1\] must be the mask that state 3 has"),
        ([0, 0], [[1, 0], [1, 1]], r"masks\[1\] must be the mask that state 0 has"),
        (2, [0, 0], r"masks must be the mask that state 2 has, \[True, True\], got \[False, F"),
        ([[0, 2]], [[[1, 0], [1, 0]]], r"masks\[0, 1\] must be the mask that state 2 has"),
    ):
        with pytest.raises(ValueError, match=message):
            policy.learn_mask(states, np.array(masks, dtype))
        np.testing.assert_array_equal(policy.where, before)


def test_learn_mask_of_bad_input():
    policy = TabularPolicy(np.zeros((4, 2)), where=np.zeros((4, 2), bool))
    with pytest.raises(IndexError, match=r"states\[1\] = 4 is out of range for 4 states"):
        policy.learn_mask([0, 4], np.ones((2, 2), bool))
    with pytest.raises(ValueError, match=r"masks must have shape \(2, 2\), got \(2,\)"):
        policy.learn_mask([0, 1], np.ones(2, bool))
    with pytest.raises(ValueError, match=r"masks\[1, 0\] must be 0 or 1, got 2"):
        policy.learn_mask([0, 1], np.array([[0, 1], [2, 1]], np.int8))
    with pytest.raises(TypeError, match="masks must be bool, or int8 or uint8 of 0 and 1"):
        policy.learn_mask([0], np.ones((1, 2)))
    with pytest.raises(ValueError, match="the policy has no mask to fill"):
        TabularPolicy(np.zeros((4, 2))).learn_mask([0], np.ones((1, 2), bool))
    fixed = np.zeros((4, 2), bool)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="where must be writable to be filled, got a read-only"):
        TabularPolicy(np.zeros((4, 2)), where=fixed).learn_mask([0], np.ones((1, 2), bool))
    assert not policy.where.any()


def test_it_is_kept(tmp_path):
    mask = np.array([[True, False], [False, False], [True, True]])
    policy = TabularPolicy(np.arange(6.0).reshape(3, 2), where=mask)
    policy.save(tmp_path / "policy.npz")
    same = (
        load_policy(tmp_path / "policy.npz"),
        pickle.loads(pickle.dumps(policy)),
        copy.deepcopy(policy),
    )
    for other in same:
        np.testing.assert_array_equal(other.where, mask)
        np.testing.assert_array_equal(other.parameters, policy.parameters)
        other.learn_mask([1], [[False, True]])  # may be written to
    assert not mask[1].any()
    text = "TabularPolicy(num_states=3, num_actions=2, dtype=float64, where=bool array)"
    assert repr(policy) == text


def test_a_file_with_a_mask_is_not_for_older_readers(tmp_path):
    """They would use the table without its mask."""
    for where, version in ((None, 1), (np.ones((3, 2), bool), 2)):
        TabularPolicy(np.zeros((3, 2)), where=where).save(tmp_path / "policy.npz")
        assert np.load(tmp_path / "policy.npz")["format_version"] == version


@pytest.mark.parametrize(
    "where", [np.ones((2, 2), bool), np.ones((3, 2)), np.full((3, 2), 2, np.int8)]
)
def test_a_damaged_mask(where, tmp_path):
    arrays = {"format_version": 2, "parameters": np.zeros((3, 2)), "where": where}
    np.savez(tmp_path / "policy.npz", kind="tabular", **arrays)
    with pytest.raises(ValueError, match="is damaged: where"):
        load_policy(tmp_path / "policy.npz")
    np.savez(tmp_path / "policy.npz", kind="linear", **arrays)
    with pytest.raises(ValueError, match="is damaged: "):
        load_policy(tmp_path / "policy.npz")
    state = {"parameters": np.zeros((3, 2)), "where": where}
    with pytest.raises((TypeError, ValueError), match="where"):
        TabularPolicy.__new__(TabularPolicy).__setstate__(state)
