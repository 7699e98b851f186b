"""scorefn plot"""

from __future__ import annotations

from argparse import Namespace

from scorefn._command.errors import CommandError, describe_exception
from scorefn._command.output import replacing
from scorefn.train.metrics import MetricsRow
from scorefn.train.picture import draw_learning_curve
from scorefn.train.run_folder import RunFolder
from scorefn.train.settings import TrainSettings


def plot(args: Namespace) -> int:
    folder = RunFolder.open(args.run)
    settings = folder.read_settings()
    rows = folder.read_metrics()
    draw_picture(folder, settings, rows)
    # A training may be going on: its picture must not give way to one of older metrics.
    while len(newer := folder.read_metrics()) > len(rows):
        rows = newer
        draw_picture(folder, settings, rows)
    print(folder.picture)
    return 0


def draw_picture(folder: RunFolder, settings: TrainSettings, rows: list[MetricsRow]) -> None:
    try:
        with replacing(folder.picture) as part:
            draw_learning_curve(
                part,
                rows,
                title=f"{settings.environment}, seed {settings.seed}",
                target=settings.stop_at_return,
            )
    except CommandError:
        raise
    except Exception as error:  # fonts, memory, ...
        message = f"cannot draw {folder.picture}: {describe_exception(error)}"
        raise CommandError(message) from error
