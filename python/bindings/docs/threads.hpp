#pragma once

namespace scorefn::python::docs {

inline constexpr const char* get_num_threads =
R"(get_num_threads()
--

The largest number of threads that a call uses if it has no `num_threads`.

The first of these that is set decides:

1. the innermost `threads` block of the calling thread,
2. `set_num_threads`,
3. the environment variable SCOREFN_NUM_THREADS, as it is at the call,
4. the environment variable OMP_NUM_THREADS, as it is at the call,
5. one thread in a process that `multiprocessing` has started,
6. the CPUs that this process may use: its affinity, and the smallest quota of its cgroups.

If SCOREFN_NUM_THREADS is not set, the limit of OpenMP (``threadpoolctl``) holds too. Each of these numbers
is a maximum. A call that is too small to gain from threads uses one. So does a call from within a parallel
call. A thread that had to wait for the others, because the machine is busy, works alone for a while.
Results do not depend on the number of threads.

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
    At least 1. None removes the setting: see `get_num_threads`.

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

Set the number of threads for calls from the calling thread. The context manager `threads` is built on this.

Parameters
----------
num_threads : int or None
    At least 1. None removes the setting, so the number for the whole process counts.

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

Tell whether this process is one of many that share the machine. If so, one thread is the default.

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

The setting that `get_num_threads` follows, in words.

Returns
-------
str

Examples
--------
>>> from scorefn import _core
>>> reason = _core.num_threads_reason()
)";

}  // namespace scorefn::python::docs
