"""The command ``dmsbench``."""

from __future__ import annotations

import difflib
import io
import logging
import os
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from dmsbench import __version__
from dmsbench.cli import (
    compare_command,
    doctor_command,
    export_command,
    fit_command,
    gate_command,
    leaderboard_command,
    list_command,
    power_command,
    preview_command,
    reference_command,
    report_command,
    rescore_command,
    run_command,
    suite_command,
    track_command,
)
from dmsbench.errors import DmsbenchError, StoppedRunError, shortened
from dmsbench.plain_text import printable

#: Where the exceptions come from that say that a command is over.
_FRAMEWORKS = ("typer", "click")
#: What a shell makes of a program whose reader is gone.
READER_GONE = 141
STOPPED = "stopped; nothing finished is lost: the same command continues"


#: Of the framework, which does not always come from the same package.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class _Group(TyperGroup):
    """Commands of which an interruption exits with 130: the framework's own 1 means a regression here.

    With ``--debug`` an error's traceback stands above its one line.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().make_context(*args, **kwargs)
        except _UsageError as error:
            _nearest(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
            return found
        except BrokenPipeError:
            # Whoever read has had enough (``| head``): the framework would exit with 1, a regression here.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(READER_GONE)
        except _UsageError as error:
            _nearest(error)
            raise
        except KeyboardInterrupt:
            raise StoppedRunError(STOPPED) from None
        except Exception as error:
            # What the framework raises ends commands: it is none of ours, and says what it has to say.
            if ctx.params.get("debug") and not type(error).__module__.startswith(_FRAMEWORKS):
                traceback.print_exc()
            raise


def _nearest(error: Any) -> None:
    """Says of an unknown option which one is nearest: "Did you mean --suite?"."""
    found = getattr(error, "possibilities", None)
    if found:
        (nearest,) = difflib.get_close_matches(error.option_name, found, n=1, cutoff=0)
        error.message, error.possibilities = f"{error.message}. Did you mean {nearest}?", None


app = typer.Typer(
    name="dmsbench",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run_command.run)
app.command("compare")(compare_command.compare)
app.command("gate")(gate_command.gate)
app.command("power")(power_command.power)
app.add_typer(reference_command.app, name="reference")
app.command("report")(report_command.report)
app.command("leaderboard")(leaderboard_command.leaderboard)
app.command("rescore")(rescore_command.rescore)
app.command("fit")(fit_command.fit)
app.command("preview")(preview_command.preview)
app.command("export")(export_command.export)
app.command("import")(export_command.import_)
app.command("track")(track_command.track)
app.command("list")(list_command.list_names)
app.command("doctor")(doctor_command.doctor)
app.add_typer(suite_command.app, name="suite")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dmsbench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[  # read where errors pass: see _Group
        bool, typer.Option("--debug", help="Print the whole traceback of an error above its one line.")
    ] = False,
) -> None:
    """Measures how vision-language models hold up when a modality is damaged, missing or mismatched.

    Start with:  dmsbench run --suite vqa-corrupt,  then:  dmsbench compare baseline dms

    Where something does not work:  dmsbench doctor

    Exit codes: 0 fine; 1 a regression (gate); 2 usage or configuration; 3 not comparable or incomplete; 4 a
    run with more errors than its suite allows; 130 stopped.
    """


def main() -> None:
    """Runs the command line and exits with its code.

    0 fine; 1 a regression (gate); 2 usage or configuration; 3 not comparable or incomplete; 4 a run with
    more failed samples than the suite allows; 130 interrupted; 141 nobody
    reads what is printed.
    """
    from corruptions import CorruptionError

    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not cost a run its report.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Where it cannot load its kernels torchao warns of it whenever transformers is imported.
    logging.getLogger("torchao").setLevel(logging.ERROR)
    try:
        app(prog_name="dmsbench")
    except DmsbenchError as error:
        _fail(str(error), error.exit_code)
    except CorruptionError as error:
        _fail(str(error), 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error)
        _fail(f"{where}{reason}; nothing finished is lost: the same command continues", 2)
    except MemoryError:
        _fail("out of memory; a smaller --batch-size, --limit or data set needs less", 2)
    except Exception as error:  # noqa: BLE001 - a line, and a traceback where it is asked for
        _fail(
            f"this is a fault of dmsbench: {type(error).__name__}: {error}; please report it: "
            "'dmsbench --debug' before the command shows where",
            2,
        )


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(printable(f"dmsbench: {shortened(line)}"), file=sys.stderr)
    sys.exit(code)
