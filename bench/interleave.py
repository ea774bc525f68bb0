"""Measuring two builds of the same cases side by side now, in turns: the fair way to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .analysis.answer_changes import answer_changes
from .analysis.in_turns import changes_in_turns
from .analysis.machines import environments
from .analysis.run_noise import find_case
from .api import run_spec
from .card import CARD_NAME, LABELS_NAME, read_labels
from .changes import CaseChange, RunChange, is_older_self
from .comparing import run_name
from .devices.base import Device
from .devices.remote import is_own_python
from .errors import StoreError, UsageError
from .kept_models import find_model
from .open_devices import OpenDevice
from .plan import ModelVariant, find_variants
from .progress import Progress
from .records import CaseResult, Engine
from .repeats import stored_repeats
from .spec import LOCAL, CaseChoice, DataSpec, PythonTarget, Spec
from .store import StoredRun, find_run, load

Name = tuple[str, str]


@dataclass(frozen=True)
class Side:
    """One side's files as MODEL arguments by (model, variant), and the stored run that they come from, if any."""

    called: str
    files: dict[Name, Path]
    run: StoredRun | None = None

    @property
    def name(self) -> str:
        """What the side is called in what is shown: ``latest`` is another run tomorrow, so with the run's id."""
        return self.called if self.run is None else run_name(self.called, self.run)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The files as MODEL arguments that say their names."""
        return tuple(f"{model}/{variant}={path}" for (model, variant), path in self.files.items())

    @property
    def labels_alone(self) -> list[Path]:
        """The ``labels.txt`` files without a card beside them, where they were the labels of a folder of models."""
        if self.run is None:
            belong = set(self.files) if Path(self.called).expanduser().is_dir() else set()
        else:
            belong = {
                (case.model, case.variant)
                for case in self.cases
                if case.preprocessing and case.preprocessing.labels_from == "card"
            }
        folders = dict.fromkeys(path.parent for name, path in self.files.items() if name in belong)
        return [
            folder / LABELS_NAME
            for folder in folders
            if (folder / LABELS_NAME).exists() and not (folder / CARD_NAME).exists()
        ]

    @property
    def cases(self) -> list[CaseResult]:
        """The cases of the stored run; older selves in a run of pairs are no cases of their own."""
        return [case for case in self.run.record.cases if not is_older_self(case)] if self.run else []


def open_side(text: str, out: Path) -> Side:
    """Return the side that ``text`` names: a stored run, or a MODEL argument (file, folder, ``MODEL/VARIANT=FILE``).

    Raises:
        StoreError, ModelError: neither is there, or the files of the run have changed since and were not kept.
    """
    try:
        run = load(find_run(text, out))
    except StoreError as error:
        variants, rejected = find_variants([text])
        if not variants:
            raise (error if _no_path(text) else rejected[0]) from None
        return Side(text, {(item.model, item.variant): _path(item) for item in variants})
    side = Side(text, {}, run)
    kept = out if run.folder is None else run.folder.parent
    return replace(side, files={(case.model, case.variant): find_model(case.file, kept) for case in side.cases})


def _no_path(text: str) -> bool:
    return "=" not in text and not Path(text).expanduser().exists()


def _path(variant: ModelVariant) -> Path:
    return Path(variant.file.path)


def named_alike(base: Side, new: Side) -> Side:
    """Return the new side under the base's names, by which cases are paired.

    Where a file goes by another model's name, it is paired by its variant if that leaves no choice.

    Raises:
        UsageError: it leaves one.
    """
    if base.files.keys() & new.files.keys():
        return new
    models = {model for model, _ in base.files}
    variants = [variant for _, variant in new.files]
    (model,) = models if len(models) == 1 else (None,)
    if model is not None and len(base.files) == len(new.files) == 1:
        return replace(new, files=dict(zip(base.files, new.files.values(), strict=True)))
    if (
        model is not None
        and len(set(variants)) == len(variants)
        and {(model, name) for name in variants} & set(base.files)
    ):
        return replace(new, files={(model, name): path for (_, name), path in new.files.items()})
    there, here = (", ".join("/".join(name) for name in side.files) for side in (base, new))
    example = "/".join(next(iter(base.files)))
    raise UsageError(
        f"{base.called} has {there}, {new.called} has {here}: which belong together? Name the new file as the base "
        f"has it, for instance {example}={next(iter(new.files.values()))}"
    )


def interleaved_spec(base: Side, new: Side, asked: Spec, *, own_ways: bool, devices: Sequence[str] = ()) -> Spec:
    """Return what to measure: every case of the new side with its older self.

    ``asked`` says how: data and settings, and unless ``own_ways`` also engines, delegates, threads, CPUs and Pythons.
    With ``own_ways`` these are the stored run's, the new one's before the base's; its cases alone are measured then.
    Of a run of several devices those of ``devices`` count, by the names that case ids have.

    Raises:
        UsageError: it is left open which files belong together, or under which Python cases run.
    """
    new = named_alike(base, new)
    _refuse_odd_names([*base.files, *new.files])
    common = {name: path for name, path in new.files.items() if name in base.files}
    spec = replace(
        asked,
        data=_with_labels(asked.data, [base, new]),
        models=replace(new, files=common).arguments,
        against=replace(base, files={name: base.files[name] for name in common}).arguments,
    )
    cases = [case for case in _cases_of(base, new, devices) if (case.model, case.variant) in common]
    return _as_stored(spec, cases, devices) if own_ways and cases else spec


def _cases_of(base: Side, new: Side, devices: Sequence[str]) -> list[CaseResult]:
    """Return the cases to run as they ran then: of these devices, else (they are to be compared with others) of all."""
    there = ([case for case in side.cases if case.device in devices] for side in (new, base))
    return next(there) or next(there) or new.cases or base.cases


def _refuse_odd_names(names: Sequence[Name]) -> None:
    for model, variant in names:
        if "=" in f"{model}{variant}" or "/" in model:
            raise UsageError(
                f"{model}/{variant}: a name with '=', or a model's with '/', does not fit into MODEL/VARIANT=FILE; "
                "give both sides as files with names of your own"
            )


def _with_labels(data: DataSpec | None, sides: Sequence[Side]) -> DataSpec | None:
    """Return where the images are, with the labels of a folder that has them and no card: a file alone has none.

    Raises:
        UsageError, ModelError: the folders' labels are not the same, or cannot be read.
    """
    if data is None or data.labels is not None:
        return data
    found = {path: read_labels(path) for side in sides for path in side.labels_alone}
    if len(set(found.values())) > 1:
        raise UsageError(f"{' and '.join(map(str, found))} have other labels, or another order; choose with --labels")
    return replace(data, labels=next(iter(found))) if found else data


def _as_stored(spec: Spec, cases: Sequence[CaseResult], devices: Sequence[str]) -> Spec:
    engines: dict[Engine, None] = dict.fromkeys(case.engine for case in cases)
    delegates = list({repr(case.delegate): case.delegate for case in cases}.values())
    pythons = _pythons(cases, devices, here=spec.devices == (LOCAL,))
    named = {python.path for python in pythons}
    choices = [
        CaseChoice(
            case.model,
            case.variant,
            case.engine,
            case.delegate,
            case.threads,
            case.python_path if case.python_path in named else None,
            case.cpus,
        )
        for case in cases
    ]
    return replace(
        spec,
        engines=tuple(engines),
        delegates=tuple(delegates),
        threads=tuple(dict.fromkeys(case.threads for case in cases)),
        cpus=tuple(dict.fromkeys(case.cpus for case in cases if case.cpus is not None)),
        pythons=pythons,
        signature=cases[0].signature,
        # Once, by its text (a delegate's options make it unhashable): all devices measured the same.
        only=tuple({repr(choice): choice for choice in choices}.values()),
    )


def _pythons(cases: Sequence[CaseResult], devices: Sequence[str], *, here: bool) -> tuple[PythonTarget, ...]:
    """Return the Pythons that a person had chosen; nothing where the devices' own ones are meant.

    Raises:
        UsageError: one of this machine is not there any more, or several devices ran under unlike ones.
    """
    found: dict[str, dict[PythonTarget, None]] = {}
    for case in cases:
        found.setdefault(case.device, {})[PythonTarget(case.python_path or "", case.python_name)] = None
    chosen: set[tuple[PythonTarget, ...]] = set()
    for name, pythons in found.items():
        by_path = not (here or name == LOCAL) and name in devices
        chosen.add(() if _is_own(list(pythons), by_path=by_path) else tuple(pythons))
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(found)} ran under Pythons of other paths; choose one of them with --device, "
                         "or the Pythons with --python")  # fmt: skip
    (listed,) = chosen
    for python in listed:
        if here and not Path(python.path).exists():
            raise UsageError(f"{python.path}: this Python measured the stored run and is not there any more; name one "
                             "with --python")  # fmt: skip
    return listed


def _is_own(pythons: Sequence[PythonTarget], *, by_path: bool) -> bool:
    """Tell whether a device chose its Python itself: a single one without a name, where ``device setup`` makes it.

    Its path tells nothing (not ``by_path``) of this machine, nor of a device that is not measured on now.
    """
    (first, *others) = pythons
    return not others and first.name is None and (not by_path or is_own_python(first.path))


def interleave(
    base: Side,
    new: Side,
    spec: Spec,
    *,
    out: Path | None,
    noise: float | None = None,
    device: Device | None = None,
    open_device: OpenDevice | None = None,
    progress: Progress | None = None,
) -> tuple[RunChange, StoredRun]:
    """Measure both sides in turns, store that as a run below ``out`` (None: do not), and return what changed.

    It is measured on ``device``, else on those that ``spec`` names, which ``open_device`` opens. Where no images were
    classified now, accuracy is that of the two stored runs, if both sides are such.

    Raises:
        UsageError, InputError: nothing was measured.
        DeviceError: no device could be measured on; nothing was measured.
    """
    run = run_spec(spec, out=out, device=device, open_device=open_device, progress=progress)
    repeats = stored_repeats(out, *environments(run.record).values()).records if out is not None else ()
    found = changes_in_turns(run, base_name=base.name, new_name=new.name, repeats=repeats, noise=noise)
    devices = dict.fromkeys(case.device for case in run.record.cases)
    compared = {item.case_id for item in found.cases}
    missing = tuple(case.case_id for case in base.cases if case.device in devices and case.case_id not in compared)
    stored = f", stored as {run.record.run_id}" if run.folder else ""
    notes = (
        f"measured in turns now{stored}",
        *_other_devices(base if base.cases else new, list(devices)),
        *_one_sided(base, named_alike(base, new)),
        *found.notes,
    )
    found = replace(found, missing=missing if new.run else (), notes=notes)
    if spec.data is None and base.run is not None and new.run is not None:
        cases = tuple(_with_stored_answers(case, base.run, new.run) for case in found.cases)
        found = replace(found, cases=cases)
    return found, run


def _one_sided(base: Side, new: Side) -> list[str]:
    """Return a line for each file that has no counterpart, and therefore was not measured."""
    only = [(name, "base") for name in base.files if name not in new.files]
    only += [(name, "new side") for name in new.files if name not in base.files]
    return [f"{'/'.join(name)}: only the {side} has it, so it was not measured" for name, side in only]


def _other_devices(stored: Side, devices: Sequence[str]) -> list[str]:
    """Return a line where it was measured on other devices than then, or not on all of them."""
    then = list(dict.fromkeys(case.device for case in stored.cases))
    other, left_out = ([name for name in one if name not in two] for one, two in ((devices, then), (then, devices)))
    if not then or not (other or left_out):
        return []
    return [f"measured now on {', '.join(devices)}, {stored.name} on {', '.join(then)}"]


def _with_stored_answers(change: CaseChange, base: StoredRun, new: StoredRun) -> CaseChange:
    """Return the change with accuracy from the two stored runs, of the same files."""
    one, other = (find_case(run.record, change.case_id) for run in (base, new))
    if one is None or other is None:
        return change
    answered = answer_changes(one, other, base.predictions, new.predictions)
    return replace(change, changes=change.changes + answered.changes, doubts=change.doubts + answered.doubts)
