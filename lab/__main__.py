"""The command line, run: what goes wrong becomes words and an exit code, and an interrupt waits for the clean-up.

`python -m lab` is `lab`.
"""

import gc
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import click

from lab import cli
from lab.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE, LabError, ScenarioError
from lab.i18n import _, preferred, speak

MOST_PROBLEMS = 40
# What is imported stays; to look through it for garbage, again and again, would be a part of a short run that is felt.
GARBAGE = 50_000
# A thread that hears from a host does not wait for one that imports.
SWITCH_SECONDS = 0.0005


def main() -> NoReturn:
    """Run the command line; what went wrong is said in words, with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    gc.set_threshold(GARBAGE)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        speak(preferred(os.environ, sys.stdout.encoding if sys.stdout else "utf-8"))
        code = cli.lab.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (click.Abort, KeyboardInterrupt) as interrupt:
        left = getattr(interrupt.__cause__ or interrupt, "__notes__", [_("everything that was started is gone")])
        click.echo(_("interrupted: {what}", what="; ".join(left)), err=True)
        _end_interrupted()
    except ScenarioError as error:
        told, more = error.problems[:MOST_PROBLEMS], len(error.problems[MOST_PROBLEMS:])
        click.echo("\n".join([*map(str, told), *([f"and {more} more mistakes"] if more else [])]), err=True)
        code = error.exit_code
    except LabError as error:
        click.echo(str(error), err=True)
        code = error.exit_code
    except (BrokenPipeError, SystemExit):  # the second is what rich makes of the first
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody reads any more; the exit must not write
        code = EXIT_ERROR
    except Exception:
        traceback.print_exc()
        click.echo(_("the lab itself failed, as told above; nothing was judged"), err=True)
        code = EXIT_ERROR
    gc.freeze()  # all goes at once, with the process
    sys.exit(code)


def _end_interrupted() -> NoReturn:
    """Python ends itself by SIGINT, whatever the exit code is, where the interrupt came while `exec` ran a text (so
    dataclasses are made): it is not asked."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(EXIT_INTERRUPTED)


def _interrupt(*__: object) -> NoReturn:
    """Once is enough: what follows is the clean-up, which has deadlines of its own."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
