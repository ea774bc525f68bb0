"""From a Spec to the list of cases: what exactly will run, under which id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .benchmark_model import limits
from .card import CARD_NAME, Card, read_card
from .changes import BASE_MARK
from .errors import ModelError, UsageError, WorkerError
from .model_file import read_model_file
from .records import CaseResult, Delegate, DelegateKind, Engine, Failure, ModelFile, RuntimeInfo, Status
from .spec import CaseChoice, PythonTarget, Spec
from .summaries import is_official


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
    cpus: str | None = None

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
            python_path=self.python.path or None,
            python_name=self.python.name,
            cpus=self.cpus,
        )


@dataclass(frozen=True)
class Plan:
    """Cases to run, models that cannot be measured with the reason, and each case's baseline by id.

    ``paired``: baselines are older selves, and what differs between them is the question. ``notes`` say what of a Spec
    was left out on this device.
    """

    cases: tuple[Case, ...]
    rejected: tuple[ModelError, ...] = ()
    baselines: Mapping[str, str] = field(default_factory=dict)
    paired: bool = False
    notes: tuple[str, ...] = ()


#: What ids call the runtime that was built into the official tool.
_OFFICIAL_RUNTIME = "tflite"
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
    cpus: str | None = None,
) -> str:
    """Return the stable id ``<model>/<variant>@<device>/<engine>.<runtime>+<delegate>/t<threads>[/<cpus>]``.

    It holds no version and no hash, so that a new build of the same case can be compared with an old one. A chosen
    signature follows the variant as ``:NAME``, a named Python follows the runtime as ``~NAME``.
    """
    chosen = f":{signature}" if signature else ""
    named = f"~{python_name}" if python_name else ""
    pinned = f"/{cpus}" if cpus else ""
    asked = delegate.kind.value
    if delegate.kind is DelegateKind.EXTERNAL and delegate.library:
        asked = f"external-{Path(delegate.library).name.split('.')[0].removeprefix('lib')}"
    text = f"{model}/{variant}{chosen}@{device}/{engine.value}.{runtime}{named}+{asked}/t{threads}{pinned}"
    return "".join(character if character.isprintable() else "?" for character in text)


def make_plan(spec: Spec, device: str, default_python: str, probe: ProbeRuntime) -> Plan:
    """Return the plan.

    Raises:
        UsageError, ModelError: nothing could run, or two cases would share an id.
    """
    variants, rejected = find_variants(spec.models)
    if not variants:
        raise rejected[0] if len(rejected) == 1 else _all_rejected(rejected)
    pythons = () if limits.is_alone(spec) else spec.pythons or (PythonTarget(default_python),)
    runtimes = {python: _probe(probe, python) for python in pythons}
    cases = _chosen(_combined(spec, device, variants, pythons, runtimes), spec.only)
    if not cases:
        raise UsageError("; ".join(left_out_reasons(spec)))
    if spec.against:
        older, damaged = find_variants(spec.against)
        twins = _twins(cases, older, damaged, runtimes)
        _refuse_twins([*cases, *twins.values()])
        pairs = [case for new in cases for case in (twins.get(new.case_id), new) if case is not None]
        return Plan(tuple(pairs), tuple(rejected), {new: base.case_id for new, base in twins.items()}, paired=True)
    _refuse_twins(cases)
    return Plan(tuple(cases), tuple(rejected), choose_baselines(cases, spec.baseline))


def _combined(
    spec: Spec,
    device: str,
    variants: Sequence[ModelVariant],
    pythons: Sequence[PythonTarget],
    runtimes: Mapping[PythonTarget, RuntimeInfo],
) -> list[Case]:
    by_workers = [engine for engine in spec.engines if engine is not Engine.BENCHMARK_MODEL]
    ways: list[tuple[PythonTarget, Engine, str, str | None]]
    ways = [(python, engine, runtimes[python].name, spec.runtime) for python in pythons for engine in by_workers]
    if len(by_workers) < len(spec.engines):
        ways.append((PythonTarget(""), Engine.BENCHMARK_MODEL, _OFFICIAL_RUNTIME, None))
    return [
        _named(
            Case("", variant, device, engine, delegate, threads, spec.signature, python, wanted, cpus),
            runtime,
        )
        for variant in variants
        for python, engine, runtime, wanted in ways
        for delegate in spec.delegates
        for threads in spec.threads
        for cpus in spec.cpus or (None,)
        if left_out(engine, delegate) is None
    ]


def _named(case: Case, runtime: str) -> Case:
    """Return the case under its id, which tells the name of its runtime."""
    identity = case_id(
        case.variant.model,
        case.variant.variant,
        case.device,
        case.engine,
        runtime,
        case.delegate,
        case.threads,
        signature=case.signature,
        python_name=case.python.name,
        cpus=case.cpus,
    )
    return replace(case, case_id=identity)


def _chosen(cases: list[Case], only: Sequence[CaseChoice]) -> list[Case]:
    """Return the cases that ``only`` names, all where it names none. Raises UsageError where it names none that is."""
    if not only:
        return cases
    for choice in only:
        if not any(_is(case, choice) for case in cases):
            named = f"{choice.model}/{choice.variant} with {choice.engine.value}, {choice.delegate.kind.value}"
            there = ", ".join(dict.fromkeys(f"{case.variant.model}/{case.variant.variant}" for case in cases))
            raise UsageError(f"{named}, {choice.threads} threads: there is no such case (models: {there})")
    return [case for case in cases if any(_is(case, choice) for choice in only)]


def _is(case: Case, choice: CaseChoice) -> bool:
    wanted = (choice.model, choice.variant, choice.engine, choice.delegate, choice.threads, choice.cpus)
    found = (case.variant.model, case.variant.variant, case.engine, case.delegate, case.threads, case.cpus)
    return wanted == found and choice.python in (None, case.python.path)


def _twins(
    cases: Iterable[Case],
    older: Sequence[ModelVariant],
    damaged: Sequence[ModelError],
    runtimes: Mapping[PythonTarget, RuntimeInfo],
) -> dict[str, Case]:
    """Return the older self of each case that has one, by the new one's id.

    Raises:
        UsageError, ModelError: no case has one, or two older files go by the same names.
    """
    by_name = _by_name(older)
    found: dict[str, Case] = {}
    names = []
    for case in cases:
        mine = case.variant
        names.append(f"{mine.model}/{mine.variant}")
        base = by_name.get((mine.model, mine.variant))
        if base is not None:
            twin = replace(base, variant=f"{base.variant}{BASE_MARK}")
            found[case.case_id] = _named(replace(case, variant=twin), runtimes[case.python].name)
    if found:
        return found
    if damaged:
        raise damaged[0] if len(damaged) == 1 else _all_rejected(damaged)
    there = ", ".join("/".join(name) for name in by_name)
    raise UsageError(
        f"base and new have no variant in common ({there}; {', '.join(dict.fromkeys(names))}): "
        "name them alike with MODEL/VARIANT=FILE"
    )


def _by_name(older: Sequence[ModelVariant]) -> dict[tuple[str, str], ModelVariant]:
    found: dict[tuple[str, str], ModelVariant] = {}
    for variant in older:
        name = (variant.model, variant.variant)
        other = found.setdefault(name, variant)
        if other is not variant:
            raise UsageError(
                f"{other.file.path} and {variant.file.path} of the base are both called {'/'.join(name)}: "
                "leave one of them out, or name it with MODEL/VARIANT=FILE"
            )
    return found


def left_out(engine: Engine, delegate: Delegate) -> str | None:
    """Return why an engine cannot run with a delegate and which can, None where it can."""
    if engine is Engine.COMPILED and delegate.kind is DelegateKind.EXTERNAL:
        return "engine compiled takes no external delegate; use --engine interpreter"
    if engine is Engine.INTERPRETER and delegate.kind is DelegateKind.GPU:
        return "engine interpreter has no GPU delegate; use --engine compiled"
    return limits.left_out(engine, delegate)


def left_out_reasons(spec: Spec) -> tuple[str, ...]:
    """Return the reasons why combinations that a Spec asks for are left out, each once."""
    reasons = (left_out(engine, delegate) for engine in spec.engines for delegate in spec.delegates)
    return tuple(dict.fromkeys(reason for reason in reasons if reason is not None))


def choose_baselines(cases: Sequence[Case], wanted: str | None) -> dict[str, str]:
    """Return the id of the baseline for the id of each other case that can be compared.

    A model's baseline is its first case of the variant ``wanted``, else its first float32 case, else its first case.

    Raises:
        UsageError: no model has a variant called ``wanted``.
    """
    if wanted is not None and wanted not in {case.variant.variant for case in cases}:
        names = ", ".join(dict.fromkeys(case.variant.variant for case in cases))
        raise UsageError(f"--baseline {wanted}: no such variant (there are: {names})")
    chosen: dict[str, str] = {}
    compared = [case for case in cases if not is_official(case.engine)]
    for model in dict.fromkeys(case.variant.model for case in compared):
        members = [case for case in compared if case.variant.model == model]
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
