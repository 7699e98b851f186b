"""show_config() and the threads() context manager, as far as they are Python."""

import platform
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest

import scorefn


def test_show_config():
    config = scorefn.show_config()
    assert config.version == scorefn.__version__
    assert config.isa in config.available_isas
    assert config.num_threads == scorefn.get_num_threads()
    assert config.numpy == np.__version__
    assert config.python == platform.python_version()


@pytest.mark.thread_unsafe(reason="regions of other threads count, too")
def test_show_config_counts_parallel_regions():
    def regions() -> int:
        config = scorefn.show_config()
        return config.regions_shared + config.regions_alone

    logits = np.zeros((1000, 1000), dtype=np.float32)
    before = regions()
    scorefn.softmax(logits, num_threads=1)
    scorefn.softmax(logits[:1], num_threads=2)  # too small
    assert regions() == before
    scorefn.softmax(logits, num_threads=2)
    assert regions() > before


def test_config_prints_as_an_aligned_block():
    config = scorefn.show_config()
    lines = [line.split(maxsplit=1) for line in str(config).splitlines()]
    assert dict(lines)["isa"] == config.isa
    assert dict(lines)["available_isas"] == ", ".join(config.available_isas)
    columns = {line.index(line.split(maxsplit=1)[1]) for line in str(config).splitlines()}
    assert columns == {len("num_threads_reason") + 2}


def test_threads_are_set_within_the_block():
    before = scorefn.get_num_threads()
    with scorefn.threads(3):
        assert scorefn.get_num_threads() == 3
        with scorefn.threads(1):
            assert scorefn.get_num_threads() == 1
        assert scorefn.get_num_threads() == 3
    assert scorefn.get_num_threads() == before


def test_threads_are_restored_after_an_error():
    before = scorefn.get_num_threads()
    with pytest.raises(ZeroDivisionError), scorefn.threads(before + 1):
        1 / 0  # noqa: B018
    assert scorefn.get_num_threads() == before


def test_threads_decorate_a_function():
    assert scorefn.threads(5)(scorefn.get_num_threads)() == 5


def test_threads_hold_for_the_calling_thread_alone():
    seen = []
    before = scorefn.get_num_threads()
    with scorefn.threads(before + 1):
        other = threading.Thread(target=lambda: seen.append(scorefn.get_num_threads()))
        other.start()
        other.join()
    assert seen == [before]


def test_threads_refuses_zero():
    before = scorefn.get_num_threads()
    with (
        pytest.raises(ValueError, match="num_threads must be at least 1, got 0"),
        scorefn.threads(0),
    ):
        pass
    assert scorefn.get_num_threads() == before


@pytest.mark.slow
def test_a_free_threaded_python_stays_so():
    program = "import sys, scorefn; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output == f"{not sysconfig.get_config_var('Py_GIL_DISABLED')}\n"
