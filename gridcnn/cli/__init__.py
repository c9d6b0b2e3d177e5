"""The command line: parse, one call, print. Nothing here imports torch until a command needs it.

A command is a function in a file of its own, listed in `COMMANDS`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import typer

from gridcnn.cli import (
    audit,
    cache,
    check,
    datasets,
    detect,
    embed,
    evaluate,
    explain,
    export,
    info,
    keygen,
    predict,
    push,
    report,
    review,
    search,
    serve,
    sign,
    train,
    tune,
    verify,
)
from gridcnn.cli.background import with_default_name
from gridcnn.cli.limiting import with_limits
from gridcnn.cli.output import note, survive_any_text
from gridcnn.cli.stopping import exit_code, sigterm_like_ctrl_c
from gridcnn.errors import GridcnnError

__all__ = ["app", "main"]

COMMANDS = (
    train.train,
    tune.tune,
    evaluate.evaluate,
    predict.predict,
    detect.detect,
    info.info,
    explain.explain,
    report.report,
    embed.embed,
    search.search,
    review.review,
    export.export,
    push.push,
    serve.serve,
    sign.sign,
    verify.verify,
    keygen.keygen,
    audit.audit,
    check.check,
    datasets.datasets,
    cache.cache,
)
"""In the order in which --help lists them."""

READ_ITEMS = {
    train.train,
    tune.tune,
    evaluate.evaluate,
    predict.predict,
    detect.detect,
    explain.explain,
    report.report,
    embed.embed,
    search.search,
    review.review,
    export.export,
    audit.audit,
    check.check,
}
"""Those with options that limit how large an item may be; the service has its own."""

_BAD_INPUT, _FAULT = 2, 70

app = typer.Typer(
    name="gridcnn",
    help="Train, evaluate and use convolutional classifiers for images, sound, text and sampled series.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _ending_well(command: Callable[..., None]) -> Callable[..., None]:
    """Make whatever ends a command early one line and an exit code, before typer makes something else of it."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            with sigterm_like_ctrl_c():
                command(*arguments, **options)
                sys.stdout.flush()
        except (typer.Exit, typer.BadParameter):
            raise
        except GridcnnError as error:
            _end(error, " ".join(str(error).split()), _BAD_INPUT)
        except KeyboardInterrupt as stopped:
            note("stopped")
            sys.exit(exit_code(stopped))
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
            sys.exit(128 + signal.SIGPIPE)
        except MemoryError as error:
            _end(error, _NO_MEMORY, _FAULT)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _end(error, f"{where}{error.strerror or error}. {_HOW}", _FAULT)
        except Exception as error:  # whatever it is, a person gets one line
            if _lacks_memory(error):
                _end(error, _NO_MEMORY, _FAULT)
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            _end(error, f"{what}. This is a fault of gridcnn: please report it. {_HOW}", _FAULT)

    return run


def _lacks_memory(error: Exception) -> bool:
    """Whether torch found too little memory, for which it has an error of its own on GPUs only."""
    return type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)


def _end(error: Exception, line: str, code: int) -> NoReturn:
    """Print one line, with --debug the traceback before it, and exit."""
    if _debugging:
        traceback.print_exception(error)
    note(f"error: {line}")
    sys.exit(code)


_HOW = "`gridcnn --debug …` shows where it happened."
_NO_MEMORY = f"there is not enough memory for this: use fewer or smaller items, or a smaller network or batch. {_HOW}"
_debugging = False

for each in COMMANDS:
    app.command()(_ending_well(with_limits(each) if each in READ_ITEMS else each))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    An error that gridcnn raises on purpose becomes one line and exit code 2; any other one line and exit code 70, and
    its traceback with --debug; a person who stops it gets the exit code that a shell expects.
    """
    gc.set_threshold(100_000)  # what imports make stays: looking through it for garbage took a quarter of `explain`
    atexit.register(gc.freeze)
    survive_any_text()
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {' '.join(str(message).split())}")
        app(with_default_name(_debug_first(sys.argv[1:] if arguments is None else arguments)))


def _debug_first(arguments: Sequence[str]) -> list[str]:
    """Move --debug to the front, where it belongs, from wherever a person wrote it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    others = [each for each in arguments[:end] if each != "--debug"]
    return [*["--debug"] * (len(others) < end), *others, *arguments[end:]]


def _print_version(wanted: bool) -> None:
    if wanted:
        from gridcnn.versions import versions

        print(f"gridcnn {versions()['gridcnn']}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error: gridcnn --debug train …")
    ] = False,
) -> None:
    global _debugging  # noqa: PLW0603  (of this process, as the option is)
    _debugging = debug
