"""The orders that may be given: one table, from which command line, HTTP, MQTT and their pages are made.

It imports nothing of labctl, so that `labctl --help` and `labctl stop` are quick. What an order does is in `orders`; how a
face spells its arguments is that face's business.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

LONGEST_TEXT = 2000  # characters of a note or an answer
LONGEST_NAME = 500  # characters of a name or path

Kind: TypeAlias = Literal["name", "file", "text", "step", "values", "time", "flag", "count"]
Who: TypeAlias = Literal["stop-only", "all", "here"]
Needs: TypeAlias = Literal["viewer", "operator", "admin"]

KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        "name": f"a text of 1 to {LONGEST_NAME} characters on one line",
        "file": f"a path of 1 to {LONGEST_NAME} characters",
        "text": f"a text of 1 to {LONGEST_TEXT} characters",
        "step": "a step of the plan, a whole number from 0",
        "count": "a whole number from 1",
        "time": "seconds of Unix time, or ISO-8601 with its zone",
        "flag": "true or false",
        "values": 'an object of texts such as {"first": "0.1 mA/cm2"}',
    }
)


class Argument(NamedTuple):
    """One argument of an order.

    Attributes:
        name: Its key over HTTP and MQTT.
        kind: What it must be.
        about: What it is, for people.
        required: It must be there.
        options: How the command line spells it, such as `--cell`; none for one that stands by itself.
        metavar: What the command line's help calls its value.
    """

    name: str
    kind: Kind
    about: str
    required: bool = False
    options: tuple[str, ...] = ()
    metavar: str = ""


class OrderSpec(NamedTuple):
    """One line of the table.

    Attributes:
        about: What it does, in a few words.
        help: What it does, in whole sentences.
        arguments: What goes with it, beside the run that is meant.
        target: What it is given to: a `run` (of a channel, or by its id), a `channel`, or `nothing`.
        many: The command line takes several targets at once.
        safe_first: It can only make things safer: it acts before it is recorded, and acts again whenever what it asks for
            does not hold.
        begins: It may begin a run, which the command line can follow to its end.
        asks: It changes nothing.
        table: The command line takes a table of them, a line each, all of which are checked before one is given.
        who: The least that a sender must be trusted with: `stop-only`, `all`, or to be `here`, at the machine or through
            its token.
        needs: The least role that a person must have, where the sender is one.
    """

    about: str
    help: str
    arguments: tuple[Argument, ...] = ()
    target: Literal["run", "channel", "nothing"] = "run"
    many: bool = False
    safe_first: bool = False
    begins: bool = False
    asks: bool = False
    table: bool = False
    who: Who = "all"
    needs: Needs = "operator"

    @property
    def keys(self) -> Mapping[str, Kind]:
        """Keys over HTTP and MQTT, and what each must be."""
        named: dict[str, Kind] = {argument.name: argument.kind for argument in self.arguments}
        return {**TARGETS[self.target], **named}

    @property
    def required(self) -> tuple[str, ...]:
        """The keys that must be there."""
        own = tuple(argument.name for argument in self.arguments if argument.required)
        return ("channel", *own) if self.target == "channel" else own


TARGETS: Mapping[str, Mapping[str, Kind]] = MappingProxyType(
    {"run": {"channel": "name", "run": "name"}, "channel": {"channel": "name"}, "nothing": {}}
)
SEEN = Argument(
    "step_seen",
    "count",
    "only while the run does this step, by its step_count",
    options=("--step-seen",),
    metavar="COUNT",
)
REASON = Argument(
    "reason", "name", "for a reason outside, such as 'glovebox oxygen'", options=("--reason",), metavar="WORDS"
)
CHANNEL = Argument("channel", "name", "name in the station file", required=True, options=("--channel", "-c"))

ORDERS: Mapping[str, OrderSpec] = MappingProxyType(
    {
        "stop": OrderSpec(
            "end the run, output off",
            "End the run and switch the output off. What was measured stays; labctl resume RUN --from STEP goes on as a new "
            "run. Where the run is named, by its id or with --run, no other is ended.",
            many=True,
            safe_first=True,
            who="stop-only",
            needs="viewer",
        ),
        "pause": OrderSpec(
            "output off, the step keeps what it has done",
            "Switch the output off and let the run wait; the step keeps its time and its charge. labctl resume goes on. With "
            "--reason it is suspended: resume with the same reason lifts it, and with the last of them the run goes on.",
            (REASON,),
            many=True,
            safe_first=True,
            who="stop-only",
            needs="viewer",
        ),
        "start": OrderSpec(
            "start a protocol on a channel",
            "Start a protocol on a channel. Everything is checked first: nothing is energised by a file that has an error.",
            (
                Argument("protocol", "file", "protocol file, or the name of a shipped one", required=True),
                CHANNEL,
                Argument("cell", "file", "cell file, or the name of a shipped one", required=True, options=("--cell",)),
                Argument("values", "values", "a parameter of the protocol", options=("--set",), metavar="NAME=VALUE"),
                Argument("at", "time", "begin then, such as 2026-12-01T08:00", options=("--at",), metavar="TIME"),
                Argument("next", "flag", "begin when the run that is on the channel has ended", options=("--next",)),
                Argument("mass", "name", "active mass of this cell, such as '12.3 mg'", options=("--mass",)),
                Argument("check", "flag", "only check it: store and begin nothing", options=("--check",)),
            ),
            target="nothing",
            begins=True,
            table=True,
        ),
        "queue": OrderSpec(
            "the runs that wait for a channel: add one, move it, take it out",
            "Show the runs that wait for their turn on a channel. With a protocol, add one: it is checked whole now, and begins by "
            "itself when the one before it has ended as done. With --run, move one that waits to a place, or take it out.",
            (
                Argument("protocol", "file", "protocol file to add, or the name of a shipped one"),
                Argument("cell", "file", "cell file, or the name of a shipped one", options=("--cell",)),
                Argument("values", "values", "a parameter of the protocol", options=("--set",), metavar="NAME=VALUE"),
                Argument("run", "name", "one that waits, by its id", options=("--run",)),
                Argument("place", "count", "its place among those that wait, 1 for the next", options=("--place",)),
                Argument("remove", "flag", "take it out", options=("--remove",)),
            ),
            target="channel",
        ),
        "resume": OrderSpec(
            "go on, or begin again from a step as a new run",
            "Go on with a run that is paused or asks; with --from, begin a new run that carries on an ended one. The new run "
            "carries cycle count, charge and the references of retention.",
            (
                Argument(
                    "step",
                    "step",
                    "line of the plan; 0 for where the run stopped",
                    options=("--from",),
                    metavar="STEP",
                ),
                SEEN,
                REASON,
            ),
            many=True,
            begins=True,
        ),
        "edit": OrderSpec(
            "change what a run still has to do, by an edited protocol",
            "Show how an edited protocol would change what a run still has to do: passes, cut-offs, steps to come. With --apply "
            "the run takes it as a new version of its plan; what is being done and what is over stays as it is.",
            (
                Argument("protocol", "file", "edited protocol file", required=True),
                Argument(
                    "values", "values", "a parameter of it that differs", options=("--set",), metavar="NAME=VALUE"
                ),
                Argument("apply", "flag", "let the run take it", options=("--apply",)),
                SEEN,
            ),
        ),
        "skip": OrderSpec(
            "end the running step and go on with the next",
            "End the running step and go on with the next one, as if its end had come.",
            (SEEN,),
            many=True,
        ),
        "confirm": OrderSpec(
            "answer a prompt",
            "Answer the prompt that a run waits at; it goes on. What it waits for: labctl why CHANNEL.",
            (Argument("text", "text", "what is to be kept with the answer"), SEEN),
        ),
        "note": OrderSpec(
            "write a remark into the run's record",
            "Write a remark into the run's record, with its moment and your name.",
            (
                Argument("text", "text", "the remark", required=True),
                Argument("file", "file", "a photograph or another file, kept with the run", options=("--file",)),
            ),
            needs="viewer",
        ),
        "correct": OrderSpec(
            "correct what is known of a run's cell, as its active mass",
            "Correct the active mass, area or film thickness of the cell of a run, which may have ended. Results are made anew "
            "with it, beside those of before; currents and rates stay as they were run.",
            (
                Argument("active_mass", "name", "such as '12.3 mg'", options=("--active-mass",), metavar="MASS"),
                Argument("area", "name", "such as '1.13 cm2'", options=("--area",)),
                Argument("film_thickness", "name", "such as '310 nm'", options=("--film-thickness",), metavar="LENGTH"),
            ),
        ),
        "adopt": OrderSpec(
            "take over what an instrument runs that this station did not start",
            "Take over a test that runs on the channel's instrument and that this station did not start: its rows are kept "
            "as a run without a plan, and only a person's stop ends it. Where it is one of this station's own, its run goes on.",
            target="channel",
            who="here",
            needs="admin",
        ),
        "release": OrderSpec(
            "forget what an instrument runs, and stop nothing",
            "Let a test go that was taken over, or a run whose instrument runs something else: the channel is free for this "
            "station, and nothing is stopped.",
            target="channel",
            who="here",
            needs="admin",
        ),
        "reload": OrderSpec(
            "read the station file again while runs go on",
            "Read the station file again while runs go on: limits of channels, which hold for runs that begin from now on, and new "
            "instruments with their channels. Where it says anything else that is new, nothing of it is taken.",
            target="nothing",
            who="here",
            needs="admin",
        ),
        "status": OrderSpec(
            "all channels, one line each", "Show all channels.", target="nothing", asks=True, needs="viewer"
        ),
        "why": OrderSpec(
            "what a channel waits for, and the command that unblocks it",
            "Say in one line what a channel waits for, and the command that unblocks it.",
            target="channel",
            asks=True,
            needs="viewer",
        ),
    }
)
COMMON: Mapping[str, Kind] = MappingProxyType({"id": "name", "by": "name"})
SAFE_FIRST = frozenset(verb for verb, order in ORDERS.items() if order.safe_first)
