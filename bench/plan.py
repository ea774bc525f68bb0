"""From a Spec to the list of cases: what exactly will run, under which id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .card import CARD_NAME, Card, read_card
from .errors import ModelError, UsageError, WorkerError
from .model_file import read_model_file
from .records import CaseResult, Delegate, DelegateKind, Engine, Failure, ModelFile, RuntimeInfo, Status
from .spec import CaseChoice, PythonTarget, Spec

#: What the variant of a base's case is called after, so that its id differs from the new one's.
BASE_MARK = "~base"


@dataclass(frozen=True)
class ModelVariant:
    """One file under the names it goes by."""

    model: str
    variant: str
    file: ModelFile
    card: Card | None


@dataclass(frozen=True)
class Case:
    """One variant x device x engine x delegate x threads, ready to run."""

    case_id: str
    variant: ModelVariant
    device: str
    engine: Engine
    delegate: Delegate
    threads: int
    signature: str | None
    python: PythonTarget
    runtime: str | None

    def result(self, status: Status, failure: Failure | None = None) -> CaseResult:
        """Return a result that says only what was asked for and how it ended."""
        return CaseResult(
            case_id=self.case_id,
            model=self.variant.model,
            variant=self.variant.variant,
            device=self.device,
            engine=self.engine,
            delegate=self.delegate,
            threads=self.threads,
            file=self.variant.file,
            status=status,
            signature=self.signature,
            failure=failure,
            python_path=self.python.path,
            python_name=self.python.name,
        )


@dataclass(frozen=True)
class Plan:
    """Cases to run, models that cannot be measured with the reason, and each case's baseline by id.

    ``notes`` are lines on what a person may not expect of the plan.
    """

    cases: tuple[Case, ...]
    rejected: tuple[ModelError, ...] = ()
    baselines: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


ProbeRuntime = Callable[[PythonTarget], RuntimeInfo]


def case_id(
    model: str,
    variant: str,
    device: str,
    engine: Engine,
    runtime: str,
    delegate: Delegate,
    threads: int,
    *,
    signature: str | None = None,
    python_name: str | None = None,
) -> str:
    """Return the stable id ``<model>/<variant>@<device>/<engine>.<runtime>+<delegate>/t<threads>``.

    It holds no version and no hash, so that a new build of the same case can be compared with an old one. A chosen
    signature follows the variant as ``:NAME``, a named Python follows the runtime as ``~NAME``.
    """
    chosen = f":{signature}" if signature else ""
    named = f"~{python_name}" if python_name else ""
    asked = delegate.kind.value
    if delegate.kind is DelegateKind.EXTERNAL and delegate.library:
        asked = f"external-{Path(delegate.library).name.split('.')[0].removeprefix('lib')}"
    text = f"{model}/{variant}{chosen}@{device}/{engine.value}.{runtime}{named}+{asked}/t{threads}"
    return _printable(text)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def make_plan(spec: Spec, device: str, default_python: str, probe: ProbeRuntime) -> Plan:
    """Return the plan.

    Raises:
        UsageError, ModelError: nothing could run, two cases would share an id, or a case chosen alone is not there.
    """
    variants, rejected = find_variants(spec.models)
    if not variants:
        raise rejected[0] if len(rejected) == 1 else _all_rejected(rejected)
    pythons = spec.pythons or (PythonTarget(default_python),)
    runtimes = {python: _probe(probe, python) for python in pythons}
    cases = [
        Case(
            case_id=case_id(
                variant.model,
                variant.variant,
                device,
                engine,
                runtimes[python].name,
                delegate,
                threads,
                signature=spec.signature,
                python_name=python.name,
            ),
            variant=variant,
            device=device,
            engine=engine,
            delegate=delegate,
            threads=threads,
            signature=spec.signature,
            python=python,
            runtime=spec.runtime,
        )
        for variant in variants
        for python in pythons
        for engine in spec.engines
        for delegate in spec.delegates
        for threads in spec.threads
        if left_out(engine, delegate) is None
    ]
    if not cases:
        raise UsageError("; ".join(left_out_reasons(spec)))
    _refuse_twins(cases)
    if spec.only:
        cases = _chosen(cases, spec.only)
    if spec.against:
        return _against_base(cases, rejected, spec)
    return Plan(tuple(cases), tuple(rejected), choose_baselines(cases, spec.baseline))


def _chosen(cases: Sequence[Case], choices: Sequence[CaseChoice]) -> list[Case]:
    """Return the cases that any of the choices names. Raises UsageError where one names none."""
    for choice in choices:
        if not any(_matches(case, choice) for case in cases):
            raise UsageError(f"{choice.text}: no such case among those of the models, delegates and threads given")
    return [case for case in cases if any(_matches(case, choice) for choice in choices)]


def _matches(case: Case, choice: CaseChoice) -> bool:
    return (
        (case.variant.model, case.variant.variant) == (choice.model, choice.variant)
        and (case.engine, case.delegate, case.threads) == (choice.engine, choice.delegate, choice.threads)
        and choice.python in (None, case.python.path)
    )


def _against_base(cases: Sequence[Case], rejected: Sequence[ModelError], spec: Spec) -> Plan:
    """Return the plan in which each case follows its twin: the same of the base's file that has the same names.

    Raises:
        UsageError, ModelError: the base has no file for any case, or two of the same names.
    """
    variants, unread = find_variants(spec.against)
    if not variants:
        raise unread[0] if len(unread) == 1 else _all_rejected(unread)
    bases = _by_names(variants)
    planned: list[Case] = []
    baselines: dict[str, str] = {}
    for case in cases:
        base = bases.get((case.variant.model, case.variant.variant))
        if base is not None:
            twin = _twin(case, base)
            baselines[case.case_id] = twin.case_id
            planned.append(twin)
        planned.append(case)
    if not baselines:
        raise UsageError(
            f"the base has {_names(variants)}, the new one {_names(case.variant for case in cases)}: nothing in common; "
            "name them alike: MODEL/VARIANT=FILE"
        )
    _refuse_twins(planned)
    return Plan(tuple(planned), (*rejected, *unread), baselines, _pairing_notes(cases, bases))


def _by_names(variants: Iterable[ModelVariant]) -> dict[tuple[str, str], ModelVariant]:
    found: dict[tuple[str, str], ModelVariant] = {}
    for variant in variants:
        names = (variant.model, variant.variant)
        other = found.setdefault(names, variant)
        if other is not variant:
            raise UsageError(
                f"{other.file.path} and {variant.file.path} are both called {'/'.join(names)} in the base: name one "
                f"of them, or leave it out"
            )
    return found


def _twin(case: Case, base: ModelVariant) -> Case:
    """Return the case with the base's file, called after it."""
    names = _printable(f"{base.model}/{base.variant}")
    return replace(
        case,
        case_id=f"{names}{BASE_MARK}{case.case_id.removeprefix(names)}",
        variant=replace(base, variant=f"{base.variant}{BASE_MARK}"),
    )


def _names(variants: Iterable[ModelVariant]) -> str:
    return ", ".join(dict.fromkeys(f"{variant.model}/{variant.variant}" for variant in variants))


def _pairing_notes(cases: Sequence[Case], bases: Mapping[tuple[str, str], ModelVariant]) -> tuple[str, ...]:
    notes = []
    new = _by_names({case.variant.file.path: case.variant for case in cases}.values())
    for names, variant in new.items():
        base = bases.get(names)
        if base is None:
            notes.append(f"{'/'.join(names)}: the base has no such file, so it was measured alone")
        elif base.file.sha256 == variant.file.sha256:
            notes.append(f"{'/'.join(names)}: base and new are the same file ({variant.file.sha256[:12]})")
    notes += [f"{'/'.join(names)}: only the base has it, so it was not measured" for names in bases if names not in new]
    return tuple(notes)


def left_out(engine: Engine, delegate: Delegate) -> str | None:
    """Return why an engine cannot run with a delegate and which can, None where it can."""
    if engine is Engine.COMPILED and delegate.kind is DelegateKind.EXTERNAL:
        return "engine compiled takes no external delegate; use --engine interpreter"
    if engine is Engine.INTERPRETER and delegate.kind is DelegateKind.GPU:
        return "engine interpreter has no GPU delegate; use --engine compiled"
    return None


def left_out_reasons(spec: Spec) -> tuple[str, ...]:
    """Return the reasons why combinations that a Spec asks for are left out, each once."""
    reasons = (left_out(engine, delegate) for engine in spec.engines for delegate in spec.delegates)
    return tuple(dict.fromkeys(reason for reason in reasons if reason is not None))


def choose_baselines(cases: Sequence[Case], wanted: str | None) -> dict[str, str]:
    """Return the id of the baseline for the id of each other case.

    A model's baseline is its first case of the variant ``wanted``, else its first float32 case, else its first case.

    Raises:
        UsageError: no model has a variant called ``wanted``.
    """
    if wanted is not None and wanted not in {case.variant.variant for case in cases}:
        names = ", ".join(dict.fromkeys(case.variant.variant for case in cases))
        raise UsageError(f"--baseline {wanted}: no such variant (there are: {names})")
    chosen: dict[str, str] = {}
    for model in dict.fromkeys(case.variant.model for case in cases):
        members = [case for case in cases if case.variant.model == model]
        named = [case for case in members if case.variant.variant == wanted]
        float32 = [case for case in members if case.variant.file.scheme == "float32"]
        baseline = (named or float32 or members)[0]
        chosen.update({case.case_id: baseline.case_id for case in members if case is not baseline})
    return chosen


def _probe(probe: ProbeRuntime, python: PythonTarget) -> RuntimeInfo:
    try:
        return probe(python)
    except WorkerError as error:
        raise UsageError(f"{python.path}: {error}") from error


def _all_rejected(rejected: Sequence[ModelError]) -> ModelError:
    return ModelError("; ".join(str(error) for error in rejected))


def _refuse_twins(cases: Sequence[Case]) -> None:
    seen: dict[str, Case] = {}
    for case in cases:
        twin = seen.setdefault(case.case_id, case)
        if twin is case:
            continue
        if twin.python != case.python:
            raise UsageError(
                f"{twin.python.path} and {case.python.path} have the same runtime: "
                "name them, for instance --python old=PATH --python new=PATH"
            )
        if twin.variant.file.path == case.variant.file.path:
            raise UsageError(f"{case.variant.file.path}: the same case is asked for twice")
        raise UsageError(
            f"{twin.variant.file.path} and {case.variant.file.path} are both called "
            f"{case.variant.model}/{case.variant.variant}: name them, for instance "
            f"a/{twin.variant.variant}={twin.variant.file.path} b/{case.variant.variant}={case.variant.file.path}"
        )


def find_variants(models: Sequence[str]) -> tuple[list[ModelVariant], list[ModelError]]:
    """Return the variants that MODEL arguments name, and an error for each file that is no model.

    An argument is a ``.tflite`` file, a folder of them (its name is the model, the files' stems are the variants), or
    ``MODEL/VARIANT=FILE`` to choose the names. A lone file is called after its stem, and its variant after the
    quantization scheme that the file itself shows; a file in a folder with a card is that model's variant.
    """
    variants: list[ModelVariant] = []
    rejected: list[ModelError] = []
    for text in models:
        try:
            model, variant, path = _split_names(text)
            files = _folder_files(path) if path.is_dir() else [path]
        except ModelError as error:
            rejected.append(ModelError(str(error), text))
            continue
        except OSError as error:  # a name that is too long, a folder that may not be entered
            rejected.append(ModelError(f"{text[:200]}: cannot be reached: {error.strerror}", text))
            continue
        for file in files:
            try:
                variants.append(_variant(file, path.is_dir(), model, variant))
            except ModelError as error:
                rejected.append(ModelError(str(error), file))
    return variants, rejected


def _split_names(text: str) -> tuple[str | None, str | None, Path]:
    path = _user_path(text)
    names, separator, rest = text.partition("=")
    if path.exists() or not separator or not names or not rest:
        return None, None, path
    model, _, variant = names.partition("/")
    path = _user_path(rest)
    if variant and path.is_dir():
        raise ModelError(f"{text}: a folder holds several variants; name the model only: {model}={rest}")
    return model, variant or None, path


def _user_path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ModelError(f"{text}: no such user's home folder; write the path in full") from None


def _folder_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.tflite"))
    if not files:
        deeper = sorted(folder.glob("*/*.tflite"))
        hint = f"; did you mean {deeper[0].parent}?" if deeper else ""
        raise ModelError(f"{folder}: no .tflite file in this folder{hint}")
    return files


def _variant(file: Path, from_folder: bool, model: str | None, variant: str | None) -> ModelVariant:
    contents = read_model_file(file)
    # Not file.resolve(): files of caches (Git annex, DVC, Hugging Face) are links into a store without cards.
    folder = file.parent.resolve()
    carded = (folder / CARD_NAME).exists()
    card = read_card(folder) if carded or from_folder else None
    if from_folder or carded:
        own_model = card.name if card and card.name else folder.name
        own_variant = file.stem
    else:
        own_model, own_variant = file.stem, contents.scheme or "model"
    return ModelVariant(model or own_model, variant or own_variant, contents, card)
