"""The benchmark suite: ``scorefn bench``, and ``pytest benchmarks`` on the same definitions.

A *workload* is a function of scorefn and a size. Its *solutions* are scorefn and the peers: what
one would use instead, each written as its best users would write it. All of a workload's solutions
get the same arrays, are checked against the same reference, and are timed in turn.

Rich, Matplotlib and threadpoolctl are the extra ``bench``. A peer takes part if it is installed.
"""
