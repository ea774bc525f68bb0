"""The generated data set: the same everywhere, in the promised proportions, with something to see in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import pytest
from edgebench.errors import DataError, UsageError
from edgebench.images.phantom import (
    LABELS,
    NATURAL_COUNTS,
    PhantomImage,
    PhantomSpec,
    class_shares,
    plan_phantom,
    render_phantom,
)
from edgebench.images.phantom.draws import Draws, Stream
from edgebench.images.phantom.fields import draw_strokes, noise
from edgebench.images.phantom.painters import PAINTERS
from edgebench.images.phantom.profiles import PROFILES, draw_traits

SPEC = PhantomSpec(count=60)

#: SHA-256 (first 16 digits) of the pixels of images of SPEC. If one changes, results on phantoms cannot be
#: compared with earlier ones.
FIXED = {
    0: "c6b026cad675fc8b",
    1: "353b53359710c40e",
    7: "ede0f290de32b555",
    23: "2c60faecae6d0309",
    42: "f07ff920d6f8c2c2",
    59: "111d4a996bdd455d",
}


#: Old and new names; numpy ignores those that it does not know or that the processor lacks.
VECTOR_FEATURES = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX X86_V3 X86_V4 ASIMDHP ASIMDFHM SVE"


def _digest(spec: PhantomSpec, index: int) -> str:
    return hashlib.sha256(render_phantom(spec, index).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(("index", "digest"), FIXED.items())
def test_pixels_are_fixed(index: int, digest: str) -> None:
    assert _digest(SPEC, index) == digest


def test_listing_is_fixed() -> None:
    text = "\n".join(f"{p.image_id},{p.lesion_id},{p.label}" for p in plan_phantom(SPEC))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "b3fc9880d0651c8a"


def test_other_processes_give_the_same_pixels() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_digest, SPEC, 5).result(timeout=120) == _digest(SPEC, 5)


def test_pixels_do_not_depend_on_the_processor() -> None:
    """numpy without its vector instructions stands in for another machine."""
    code = (
        "from hashlib import sha256\n"
        "from edgebench.images.phantom import PhantomSpec, render_phantom\n"
        "print([sha256(render_phantom(PhantomSpec(60), k).tobytes()).hexdigest()[:16] for k in range(8)])"
    )
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": VECTOR_FEATURES, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=120)
    if "baseline" in done.stderr:
        pytest.skip("this numpy was built for one kind of processor only")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([_digest(SPEC, k) for k in range(8)])


def test_order_of_rendering_does_not_matter() -> None:
    forward = [_digest(SPEC, k) for k in (3, 4, 5)]
    assert [_digest(SPEC, k) for k in (5, 4, 3)] == forward[::-1]


def test_seeds_differ() -> None:
    other = replace(SPEC, seed=1)
    assert _digest(SPEC, 0) != _digest(other, 0)
    assert [p.label for p in plan_phantom(SPEC)] != [p.label for p in plan_phantom(other)]


def test_images_differ_from_each_other() -> None:
    assert len({_digest(SPEC, k) for k in range(40)}) == 40


def test_a_longer_data_set_starts_with_the_shorter() -> None:
    longer = replace(SPEC, count=500)
    assert plan_phantom(longer)[:60] == plan_phantom(SPEC)
    assert _digest(longer, 59) == _digest(SPEC, 59)


def test_ids_are_unique_and_readable() -> None:
    plan = plan_phantom(PhantomSpec(1000))
    assert plan[12].image_id == "PHANTOM_0000012"
    assert plan[0].lesion_id == "LESION_0000000"
    assert len({p.image_id for p in plan}) == 1000
    assert all(p.image_id == f"PHANTOM_{k:07d}" for k, p in enumerate(plan))


@pytest.mark.parametrize("balance", [0.0, 0.5, 0.75, 1.0])
def test_proportions(balance: float) -> None:
    plan = plan_phantom(PhantomSpec(2000, balance=balance))
    found, shares = Counter(p.label for p in plan), class_shares(balance)
    assert tuple(shares) == LABELS == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert sum(shares.values()) == pytest.approx(1.0)
    for label in LABELS:
        assert abs(found[label] - 2000 * shares[label]) <= 4


def test_shares_at_the_ends() -> None:
    assert class_shares(0.0)["nv"] == pytest.approx(6705 / 10015)
    assert sum(NATURAL_COUNTS.values()) == 10015
    assert set(class_shares(1.0).values()) == {1.0 / 7.0}


def test_every_class_appears_early_by_default() -> None:
    assert {p.label for p in plan_phantom(PhantomSpec(20))} == set(LABELS)


def test_lesions_have_one_to_three_views_of_one_class() -> None:
    plan = plan_phantom(PhantomSpec(3000))
    views = Counter(p.lesion_id for p in plan)
    assert set(views.values()) == {1, 2, 3}
    assert 0.25 < sum(n > 1 for n in views.values()) / len(views) < 0.35
    assert len({(p.lesion_id, p.label) for p in plan}) == len(views)


def test_no_shared_lesions_when_none_are_wanted() -> None:
    plan = plan_phantom(PhantomSpec(200, multi_view=0.0))
    assert len({p.lesion_id for p in plan}) == 200


def test_views_share_the_lesion_but_not_the_picture() -> None:
    """Two views of a lesion are closer in colour than pictures of two lesions."""
    spec = PhantomSpec(400, multi_view=1.0)
    plan = plan_phantom(spec)
    pairs = [k for k in range(380) if plan[k].lesion_id == plan[k + 1].lesion_id][:40]
    colours = {k: render_phantom(spec, k).mean((0, 1)) for pair in pairs for k in (pair, pair + 1)}
    same = [float(np.abs(colours[k] - colours[k + 1]).mean()) for k in pairs]
    strangers = zip(pairs, pairs[7:] + pairs[:7], strict=True)
    other = [float(np.abs(colours[a] - colours[b]).mean()) for a, b in strangers]
    assert min(same) > 0.0
    assert np.median(same) < 0.8 * np.median(other)


def test_traits_belong_to_the_lesion() -> None:
    one = draw_traits(SPEC, "mel", 7)
    assert one == draw_traits(replace(SPEC, size=224, count=9), "mel", 7)
    assert one != draw_traits(SPEC, "mel", 8)


def test_item_and_index_are_the_same() -> None:
    item = plan_phantom(SPEC)[11]
    assert np.array_equal(render_phantom(SPEC, item), render_phantom(SPEC, 11))


@pytest.mark.parametrize("size", [32, 64, 97, 128, 224])
def test_sizes(size: int) -> None:
    picture = render_phantom(PhantomSpec(20, size=size), 4)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous


def test_sizes_show_the_same_picture() -> None:
    for k in range(6):
        small = render_phantom(replace(SPEC, size=64), k).astype(float)
        large = render_phantom(replace(SPEC, size=192), k).astype(float).reshape(64, 3, 64, 3, 3).mean((1, 3))
        assert np.abs(small - large).mean() < 8.0


def test_pictures_are_neither_black_nor_flat() -> None:
    spec = PhantomSpec(140, size=64, balance=1.0)
    for k in range(140):
        picture = render_phantom(spec, k)
        assert 50 < picture.mean() < 240
        assert picture.std(axis=(0, 1)).min() > 3
        red, _, blue = picture.reshape(-1, 3).mean(0)
        assert red > 0.9 * blue


@pytest.mark.filterwarnings("error")
def test_every_structure_can_be_drawn() -> None:
    """All structures of all classes occur in the data set, and no drawing meets a NaN or an overflow."""
    spec = PhantomSpec(400, size=32, balance=1.0, multi_view=0.0)
    seen: set[str] = set()
    for k, image in enumerate(plan_phantom(spec)):
        seen.update(draw_traits(spec, image.label, k).structures)
        render_phantom(spec, k)
    assert seen == set(PAINTERS)


def test_profiles_name_known_structures_and_classes() -> None:
    assert tuple(PROFILES) == LABELS
    for label, profile in PROFILES.items():
        assert set(profile.structures) <= set(PAINTERS)
        assert set(profile.confused_with) <= set(LABELS) - {label}


def test_classes_look_different() -> None:
    """Vascular lesions are redder in the middle, melanomas darker than dermatofibromas."""
    spec = PhantomSpec(350, size=48, balance=1.0, multi_view=0.0)
    middles: dict[str, list[npt.NDArray[np.float64]]] = {label: [] for label in LABELS}
    for k, image in enumerate(plan_phantom(spec)):
        middles[image.label].append(render_phantom(spec, k)[16:32, 16:32].astype(float).mean((0, 1)))
    mean = {label: np.mean(colours, 0) for label, colours in middles.items()}
    redness = {label: colour[0] / colour[1] for label, colour in mean.items()}
    assert max(redness, key=lambda label: redness[label]) == "vasc"
    assert mean["mel"].mean() < mean["df"].mean() - 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": 1_000_001},
        {"size": 31},
        {"size": 1025},
        {"seed": -1},
        {"balance": 1.1},
        {"balance": float("nan")},
        {"multi_view": -0.1},
        {"overlap": 2.0},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))) as caught:
        PhantomSpec(**{"count": 10, **wrong})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [
        -1,
        60,
        PhantomImage("PHANTOM_0000099", "LESION_0000001", "nv"),
        PhantomImage("PHANTOM_0000000", "LESION_0000077", "nv"),
        PhantomImage("ISIC_0024306", "HAM_0000550", "nv"),
        PhantomImage("", "", ""),
    ],
)
def test_images_of_another_data_set_are_refused(item: PhantomImage | int) -> None:
    with pytest.raises(DataError, match="not in the listing"):
        render_phantom(SPEC, item)


def test_noise_is_centred_and_scaled() -> None:
    field = np.stack([noise(Draws(0, Stream.VIEW, k), 48, 6) for k in range(60)])
    assert abs(float(field.mean())) < 0.05
    assert 0.8 < float(field.std()) < 1.2


def test_no_strokes_cover_nothing() -> None:
    assert not draw_strokes(16, []).any()
