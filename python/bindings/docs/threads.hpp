#pragma once

namespace scorefn::python::docs {

inline constexpr const char* get_num_threads =
R"(get_num_threads()
--

The largest number of threads that a call uses if it is not told otherwise.

The innermost `threads` block of the calling thread; else what `set_num_threads` was given; else the
environment variable SCOREFN_NUM_THREADS, else OMP_NUM_THREADS, all as they are at the call; else one in a
process that `multiprocessing` has started, as there are others beside it; else the CPUs that this process
may use (its affinity at the call, and the smallest quota of the cgroups it is in); and where
SCOREFN_NUM_THREADS is not set, no more than OpenMP is told to use (``threadpoolctl``).

Each of these numbers, and ``num_threads`` of a call, is a maximum. One thread alone works on calls too small to
gain by threads, on what is called from within a parallel call, and for a while on all calls of a thread that had
to wait for the others because the machine is busy. Results do not depend on it.

Returns
-------
int

Examples
--------
>>> import scorefn
>>> scorefn.get_num_threads() >= 1
True
)";

inline constexpr const char* set_num_threads =
R"(set_num_threads(num_threads)
--

Set the largest number of threads of a call, for the whole process.

Parameters
----------
num_threads : int or None
    At least 1. Calls may use fewer, see `get_num_threads`. None goes back to the environment.

Raises
------
TypeError
    Not an int, and not None.
ValueError
    Less than 1.

Examples
--------
>>> import scorefn
>>> scorefn.set_num_threads(2)
>>> scorefn.get_num_threads()
2
>>> scorefn.set_num_threads(None)
)";

inline constexpr const char* set_thread_local_num_threads =
R"(set_thread_local_num_threads(num_threads)
--

Set the number of threads for calls from the calling thread; what the context manager `threads` is made of.

Parameters
----------
num_threads : int or None
    At least 1. None goes back to the number for the whole process.

Returns
-------
int or None
    The previous value.

Raises
------
TypeError
    Not an int, and not None.
ValueError
    Less than 1.

Examples
--------
>>> from scorefn import _core
>>> previous = _core.set_thread_local_num_threads(1)
>>> _core.set_thread_local_num_threads(previous)
1
)";

inline constexpr const char* set_worker_process =
R"(set_worker_process(is_worker)
--

Say whether this process is one of many that share the machine: one thread is then the default.

Parameters
----------
is_worker : bool

Raises
------
TypeError
    Not a bool.

Examples
--------
>>> from scorefn import _core
>>> _core.set_worker_process(False)
)";

inline constexpr const char* region_counts =
R"(region_counts()
--

Count the parallel regions of this process up to now.

A large call has one or more of them, a small one has none.

Returns
-------
tuple of int
    How many several threads have shared, and how many a calling thread has run alone because the machine was busy.

Examples
--------
>>> from scorefn import _core
>>> shared, alone = _core.region_counts()
)";

inline constexpr const char* share_again =
R"(share_again()
--

Share the next parallel region of the calling thread, even if it has found the machine busy.

Examples
--------
>>> from scorefn import _core
>>> _core.share_again()
)";

inline constexpr const char* num_threads_reason =
R"(num_threads_reason()
--

Where `get_num_threads` takes its answer from, in words.

Returns
-------
str

Examples
--------
>>> from scorefn import _core
>>> reason = _core.num_threads_reason()
)";

}  // namespace scorefn::python::docs
