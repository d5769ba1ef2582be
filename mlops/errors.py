"""Every way in which a stage can say no.

    MlopsError
    ├── InputError            exit 2: bad command line, settings or input; says what to change
    │   ├── SettingsError     a settings file or an MLOPS_ variable
    │   ├── RecordError       a record that is missing, unreadable or was changed
    │   ├── DataError         conversations that cannot be trained on
    │   ├── HeldError         a rollout that somebody else is at work on
    │   └── AzureError        what Azure ML refused or failed to do
    │       └── BusyError     what it may do when it is asked again
    ├── Refusal               exit 1: a considered no, such as a rejected candidate
    │   └── FencedError       somebody else has taken the rollout over
    └── Detached              exit 0: the work goes on without us, and nothing is recorded yet

Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130
"""What a program ends with that Ctrl-C or SIGTERM ended, as shells have it."""


class MlopsError(Exception):
    """The root of the tree; `exit_code` is what the process ends with."""

    exit_code = 2


class InputError(MlopsError):
    """Something the user can mend."""


class SettingsError(InputError):
    """A setting that is unknown, of the wrong type or out of range."""


class RecordError(InputError):
    """A record that is missing, unreadable or was changed after it was written."""


class DataError(InputError):
    """Conversations that cannot be trained on."""


class HeldError(InputError):
    """A rollout that somebody else is at work on."""


class AzureError(InputError):
    """A request that Azure ML refused, or work that failed there."""


class BusyError(AzureError):
    """A request that Azure ML was too busy for, or whose answer was lost: it may be made again."""


class Refusal(MlopsError):  # noqa: N818 - a no is not an error
    """A considered no: the work was done, and its result must not go further."""

    exit_code = 1


class FencedError(Refusal):
    """Somebody else has taken the rollout over: nothing more may be written."""


class Detached(MlopsError):  # noqa: N818 - nothing went wrong
    """The work was begun and goes on without us; a later run attaches to it."""

    exit_code = 0
