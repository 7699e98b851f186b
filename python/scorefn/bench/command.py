"""scorefn bench"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

import scorefn
from scorefn._command.errors import CommandError
from scorefn._command.interrupt import Interrupt, deferred_interrupt
from scorefn._command.output import create_folder
from scorefn.bench import tables
from scorefn.bench.compare import check_comparable, compare
from scorefn.bench.display import make_display
from scorefn.bench.environment import describe_environment, headline, warning
from scorefn.bench.grid import all_workloads, matching
from scorefn.bench.markdown import read_around, write_markdown
from scorefn.bench.measure import InterruptedMeasurement, measure
from scorefn.bench.pictures import draw_pictures
from scorefn.bench.results import Results, Settings, read_results
from scorefn.bench.roofline import Roofline
from scorefn.bench.solutions import PEERS, SLOW_TO_START, load
from scorefn.bench.workload import Workload

WIDTH = 200  # of the tables where no terminal tells its own


def bench(args: Namespace) -> int:
    old = None if args.compare is None else read_results(Path(args.compare))
    earlier = None if args.resume is None else read_results(Path(args.resume))
    settings = _settings(args) if earlier is None else _resumed(args, earlier)
    workloads = _chosen(settings)
    # Whatever is wrong should be said now, not in half an hour.
    if old is not None:
        check_comparable(old, settings, workloads)
    if args.markdown is not None:
        read_around(Path(args.markdown))
    if earlier is None:
        folder = create_folder(args.output, "bench")
    else:
        folder = Path(args.resume) if Path(args.resume).is_dir() else Path(args.resume).parent
    results, interrupt = _run(settings, workloads, earlier, folder, quiet=args.quiet)
    if not results.rows:
        raise CommandError("interrupted before anything was measured")
    pictures = draw_pictures(folder, results)
    if args.markdown is not None:
        write_markdown(Path(args.markdown), results)
    if args.quiet:
        if doubt := warning(results):
            print(f"scorefn: warning: {doubt}", file=sys.stderr)
        print(folder)
    else:
        _show(results, len(workloads), folder, pictures, interrupted=interrupt.requested)
    if old is not None:
        _show_changes(old, results)
    return interrupt.exit_code


def _settings(args: Namespace) -> Settings:
    if args.no_peers:
        peers: Sequence[str] = ()
    elif args.peers is not None:
        peers = args.peers
    else:
        peers = [name for name in PEERS if not (args.quick and name in SLOW_TO_START)]
    return Settings(
        dtype=args.dtype or "float32",
        threads=args.num_threads or scorefn.get_num_threads(),
        quick=args.quick,
        filters=tuple(args.filter or ()),
        peers=tuple(peers),
    )


def _resumed(args: Namespace, earlier: Results) -> Settings:
    for name in ("filter", "peers", "no_peers", "num_threads", "dtype", "quick", "output"):
        if getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise CommandError(f"--resume keeps the settings of the run; omit {option}")
    return earlier.settings


def _chosen(settings: Settings) -> list[Workload]:
    workloads = all_workloads(quick=settings.quick)
    chosen = matching(workloads, settings.filters)
    if not chosen:
        functions = ", ".join(dict.fromkeys(work.function for work in workloads))
        wanted = " or ".join(f"'{pattern}'" for pattern in settings.filters)
        raise CommandError(
            f"--filter {wanted} matches no workload; they are named like '{workloads[0].name}' "
            f"and '{workloads[-1].name}', after {functions}"
        )
    return chosen


def _run(
    settings: Settings,
    workloads: Sequence[Workload],
    earlier: Results | None,
    folder: Path,
    *,
    quiet: bool,
) -> tuple[Results, Interrupt]:
    """Measures what is missing. After each workload the file has all that is known."""
    with (
        deferred_interrupt() as interrupt,
        threadpool_limits(settings.threads),  # NumPy's matrix products
        scorefn.threads(settings.threads),
        Roofline(settings.threads) as roofline,
    ):
        solutions, missing = load(settings.peers, settings.threads, settings.dtype)
        results = Results(describe_environment(solutions), settings, missing)
        if earlier is not None:
            results.rows = earlier.rows
        known = {row.work for row in results.rows}
        left = [work for work in workloads if work not in known]
        try:
            with make_display(len(left), quiet=quiet) as display:
                for work in left:
                    display.start(work)
                    row = measure(work, settings, solutions, roofline, lambda: interrupt.requested)
                    results.rows.append(row)
                    results.write(folder / "results.json")
                    display.finish(row)
        except InterruptedMeasurement:
            pass
    return results, interrupt


def _show(
    results: Results,
    num_workloads: int,
    folder: Path,
    pictures: Sequence[Path],
    *,
    interrupted: bool,
) -> None:
    console = _console()
    console.print(headline(results), highlight=False)
    if doubt := warning(results):
        console.print(doubt, style="bold red", highlight=False)
    console.print(tables.KEY, highlight=False)
    for table in tables.tables(results):
        console.print()
        console.print(table.to_rich())
    lost = tables.losses(results)
    console.print()
    if lost.rows:
        console.print(lost.to_rich())
    elif any(row.peers for row in results.rows):
        console.print("No other library is faster on any workload.")
    for line in tables.failures(results):
        console.print(f"not compared: {line}", highlight=False, markup=False)
    if results.missing:
        packages = " ".join(dict.fromkeys(peer.partition(".")[0] for peer in results.missing))
        print(f"not installed: {', '.join(results.missing)} (pip install {packages})")
    print()
    if interrupted:
        print(f"Interrupted after {len(results.rows)} of {num_workloads} workloads.")
    print(f"  results   {folder / 'results.json'}")
    for path in pictures:
        print(f"  picture   {path}")
    if interrupted:
        print(f"\n  resume    scorefn bench --resume {shlex.quote(str(folder))}")


def _show_changes(old: Results, new: Results) -> None:
    table, notes = compare(old, new)
    console = _console()
    console.print()
    if table.rows:
        console.print(table.to_rich())
    for note in notes:
        console.print(note, highlight=False)


def _console() -> Console:
    console = Console(file=sys.stdout)
    return console if console.is_terminal else Console(file=sys.stdout, width=WIDTH)
