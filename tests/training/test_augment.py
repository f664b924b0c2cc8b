import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from tenfold.data.batches import build_order
from tenfold.data.mnist import LabelledImages
from tenfold.recipes.configs import AugmentationConfig
from tenfold.training.augment import Augmentation, Draws, build_generator, change_stroke_width

NOTHING = AugmentationConfig()
EVERYTHING = AugmentationConfig(
    rotation_degrees=20, shift_px=2, scale=0.2, shear=0.2, elastic_px=1.5, stroke=0.6
)
STRENGTHS = [field.name for field in dataclasses.fields(AugmentationConfig) if field.type is float]
BICUBIC = AugmentationConfig(interpolation="bicubic")

# Source positions are rounded, and up to 16 products are summed: that shows in the sixth digit.
ROUNDING = 2e-5


@pytest.fixture(scope="module")
def images(test_images: LabelledImages) -> Tensor:
    return torch.tensor(test_images.images_NHW[:200]) / 255


def augment(images_NHW: Tensor, config: AugmentationConfig) -> Tensor:
    augmentation = Augmentation(config)
    draws = augmentation.draw(len(images_NHW), np.random.default_rng(0))
    return augmentation.apply(images_NHW, draws)


def build_draws(
    num_images: int,
    *,
    map_22: npt.ArrayLike = ((1, 0), (0, 1)),
    shift_px: tuple[float, float] = (0, 0),
    stroke: float = 0.0,
) -> Draws:
    """The same draws for each image: the source of a pixel (x, y), in pixels."""
    fields_2C = np.zeros((2, Augmentation(NOTHING).fields_CP.shape[0]), dtype=np.float32)
    fields_2C[:, :2] = map_22
    fields_2C[:, 2] = np.array(shift_px) / 14
    fields_N2C = torch.from_numpy(np.tile(fields_2C, (num_images, 1, 1)))
    return Draws(fields_N2C, torch.full((num_images,), stroke))


def displace(draws: Draws) -> Tensor:
    """The displacement of each pixel's source in pixels, [N, 2, 28, 28], along x first."""
    fields_CP = Augmentation(NOTHING).fields_CP
    sources_N2P = draws.fields_N2C.double() @ fields_CP.double()
    displacements_N2HW: Tensor = (14 * (sources_N2P - fields_CP[:2])).unflatten(2, (28, 28))
    return displacements_N2HW


def sample(images_NHW: Tensor, map_22: npt.NDArray[np.float64]) -> Tensor:
    """Images sampled through a map about their centre, pixel by pixel.

    By the cubic convolution of R. Keys (1981) with PyTorch's coefficient of -0.75.
    """
    around = 40
    padded_NHW = np.pad(images_NHW.double().numpy(), ((0, 0), (around, around), (around, around)))
    sampled_NHW = np.zeros(images_NHW.shape)
    for y, x in np.ndindex(28, 28):
        source_x, source_y = map_22 @ (x - 13.5, y - 13.5) + 13.5 + around
        left, top = math.floor(source_x), math.floor(source_y)
        for i, j in itertools.product(range(top - 1, top + 3), range(left - 1, left + 3)):
            weight = keys(source_y - i) * keys(source_x - j)
            sampled_NHW[:, y, x] += weight * padded_NHW[:, i, j]
    return torch.from_numpy(sampled_NHW.clip(0, 1)).float()


def keys(distance: float, a: float = -0.75) -> float:
    distance = abs(distance)
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)


@pytest.mark.parametrize("config", [NOTHING, BICUBIC])
def test_zero_strength_changes_nothing(config: AugmentationConfig, images: Tensor) -> None:
    augmented = augment(images, config)
    torch.testing.assert_close(augmented, images, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("num_images", [1, 2, 200])
def test_augmented_images_have_the_shape_and_range_of_images(
    num_images: int, images: Tensor
) -> None:
    strong = AugmentationConfig(
        rotation_degrees=180, shift_px=14, scale=1, shear=1, elastic_px=10, stroke=1
    )
    sharp = dataclasses.replace(EVERYTHING, interpolation="bicubic")
    before = images.clone()
    for config in (EVERYTHING, sharp, strong):
        augmented = augment(images[:num_images], config)
        assert augmented.shape == (num_images, 28, 28)
        assert augmented.dtype == torch.float32
        assert augmented.min() >= 0
        assert augmented.max() <= 1
        assert (augmented - images[:num_images]).abs().mean() > 0.01
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", STRENGTHS)
def test_every_strength_has_an_effect(name: str, images: Tensor) -> None:
    strength: dict[str, Any] = {name: 0.5}
    config = AugmentationConfig(**strength)
    assert not config.is_none
    augmented = augment(images, config)
    assert (augmented - images).abs().max() > 100 * ROUNDING


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    order = build_order(3, 1, 1000)  # it has another stream
    assert build_generator(3, 1).permutation(1000).tolist() != order.tolist()
    pairs = [*itertools.product(range(3), range(3)), (0, 0)]
    *draws, again = (Augmentation(EVERYTHING).draw(50, build_generator(*pair)) for pair in pairs)
    assert torch.equal(draws[0].fields_N2C, again.fields_N2C)
    assert torch.equal(draws[0].strokes_N, again.strokes_N)
    for first, second in itertools.combinations(draws, 2):
        assert not (first.fields_N2C == second.fields_N2C).any()
        assert not (first.strokes_N == second.strokes_N).any()


def test_draws_of_an_image_do_not_depend_on_the_number_of_images() -> None:
    few, many = (Augmentation(EVERYTHING).draw(n, build_generator(3, 1)) for n in (7, 1000))
    assert torch.equal(few.fields_N2C, many.fields_N2C[:7])
    assert torch.equal(few.strokes_N, many.strokes_N[:7])


def test_draws_of_one_transform_do_not_depend_on_the_strength_of_others() -> None:
    configs = (dataclasses.replace(EVERYTHING, elastic_px=elastic_px) for elastic_px in (0.0, 3.0))
    rigid, elastic = (Augmentation(config).draw(50, build_generator(3, 1)) for config in configs)
    assert torch.equal(rigid.strokes_N, elastic.strokes_N)
    assert torch.equal(rigid.fields_N2C[:, :, :3], elastic.fields_N2C[:, :, :3])


MANY = 2000  # draws of so many images come close to every bound


def draw_maps(config: AugmentationConfig) -> npt.NDArray[np.float64]:
    """The linear part of many draws, [N, 2, 2]; the rest must be zero."""
    draws = Augmentation(config).draw(MANY, build_generator(0, 0))
    assert not draws.fields_N2C[:, :, 2:].any()
    assert not draws.strokes_N.any()
    return draws.fields_N2C[:, :, :2].double().numpy()


def assert_uniform(values: npt.NDArray[np.float64], bound: float) -> None:
    """Check that values are uniform from -bound to bound."""
    assert np.abs(values).max() <= bound * (1 + 1e-5)
    assert np.abs(values).max() > 0.99 * bound
    assert abs(values.mean()) < 0.06 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_angles_are_uniform_up_to_the_configured_one() -> None:
    maps_N22 = draw_maps(AugmentationConfig(rotation_degrees=30))
    angles = np.degrees(np.arctan2(maps_N22[:, 1, 0], maps_N22[:, 0, 0]))
    assert_uniform(angles, 30)
    products_N22 = maps_N22 @ maps_N22.transpose(0, 2, 1)
    np.testing.assert_allclose(products_N22 - np.eye(2), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(maps_N22), 1, atol=1e-6)


def test_scales_of_width_and_height_are_uniform_and_independent() -> None:
    maps_N22 = draw_maps(AugmentationConfig(scale=0.25))
    assert not maps_N22[:, 0, 1].any()
    assert not maps_N22[:, 1, 0].any()
    widths, heights = np.log(maps_N22[:, 0, 0]), np.log(maps_N22[:, 1, 1])
    assert_uniform(widths, 0.25)
    assert_uniform(heights, 0.25)
    assert abs(np.corrcoef(widths, heights)[0, 1]) < 0.1


def test_shears_are_uniform() -> None:
    maps_N22 = draw_maps(AugmentationConfig(shear=0.4))
    assert_uniform(maps_N22[:, 0, 1], 0.4)
    np.testing.assert_array_equal(maps_N22[:, [0, 1], [0, 1]], 1)
    assert not maps_N22[:, 1, 0].any()


def test_shifts_and_changes_of_stroke_width_are_uniform_and_independent() -> None:
    config = AugmentationConfig(shift_px=3, stroke=0.7)
    draws = Augmentation(config).draw(MANY, build_generator(0, 0))
    assert_uniform(draws.strokes_N.double().numpy(), 0.7)
    shifts_N2HW = displace(draws).numpy()
    assert np.ptp(shifts_N2HW, axis=(2, 3)).max() < 1e-5  # each image is moved as a whole
    for shifts in (shifts_N2HW[:, 0, 0, 0], shifts_N2HW[:, 1, 0, 0]):
        assert_uniform(shifts, 3)
    assert abs(np.corrcoef(shifts_N2HW[:, :, 0, 0].T)[0, 1]) < 0.1


def test_elastic_displacements_have_the_configured_deviation_and_correlation() -> None:
    draws = Augmentation(AugmentationConfig(elastic_px=2)).draw(MANY, build_generator(0, 0))
    assert not draws.strokes_N.any()
    fields_N2HW = displace(draws)
    # At the edges as in the middle: of 2,000 pairs of fields, a deviation is known to 2 %.
    deviations = fields_N2HW.std((0, 1))
    assert deviations.min() > 1.85
    assert deviations.max() < 2.15
    assert abs(fields_N2HW.mean((0, 2, 3))).max() < 0.1
    for distance in (2, 6, 12):
        expected = 4 * math.exp(-0.5 * (distance / 6) ** 2)
        along_x = fields_N2HW[..., distance:] * fields_N2HW[..., :-distance]
        along_y = fields_N2HW[..., distance:, :] * fields_N2HW[..., :-distance, :]
        assert along_x.mean().item() == pytest.approx(expected, abs=0.12)
        assert along_y.mean().item() == pytest.approx(expected, abs=0.12)
    # What happens along x says nothing of y.
    assert abs((fields_N2HW[:, 0] * fields_N2HW[:, 1]).mean()) < 0.1


def test_elastic_fields_have_fixed_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signs of eigenvectors depend on the library and the processor."""
    expected = Augmentation(NOTHING).fields_CP
    assert (expected[3:, 0] > 0).all()  # the first pixel's
    eigh = np.linalg.eigh
    signs = np.random.default_rng(0).choice([-1, 1], 28)

    def turn(matrix: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        values, vectors = eigh(matrix)
        return values, vectors * signs

    monkeypatch.setattr("numpy.linalg.eigh", turn)
    assert len(set(signs[-6:])) == 2
    assert torch.equal(Augmentation(NOTHING).fields_CP, expected)


def test_draws_of_all_transforms_are_uncorrelated() -> None:
    # Where a strength shows: in the map of x (from x, from y, and 1), that of y, or in strokes.
    places = {"rotation_degrees": [3], "scale": [0, 4], "shear": [1], "shift_px": [2, 5]}
    drawn = []
    for name, columns in [*places.items(), ("stroke", [6])]:
        strength: dict[str, Any] = {name: 0.5}
        draws = Augmentation(AugmentationConfig(**strength)).draw(MANY, build_generator(0, 0))
        numbers = torch.cat([draws.fields_N2C[:, :, :3].flatten(1), draws.strokes_N[:, None]], 1)
        drawn += [numbers[:, column].double().numpy() for column in columns]
    correlations = np.corrcoef(drawn) - np.eye(7)
    assert np.abs(correlations).max() < 0.1


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 2), (-4, 5), (14, -14)])
def test_a_shift_by_whole_pixels_moves_them_and_fills_with_black(
    right: int, down: int, images: Tensor
) -> None:
    # White, so that the edges would show.
    pictures = torch.cat([images, torch.ones(1, 28, 28)])
    draws = build_draws(len(pictures), shift_px=(-right, -down))
    moved = Augmentation(NOTHING).apply(pictures, draws)
    expected = torch.zeros_like(pictures)
    to_y, to_x = slice(max(0, down), 28 + min(0, down)), slice(max(0, right), 28 + min(0, right))
    from_y = slice(max(0, -down), 28 + min(0, -down))
    from_x = slice(max(0, -right), 28 + min(0, -right))
    expected[:, to_y, to_x] = pictures[:, from_y, from_x]
    torch.testing.assert_close(moved, expected, rtol=0, atol=ROUNDING)


MAPS = {
    "wide and low": np.diag([0.8, 1.25]),
    "sheared": np.array([[1, 0.3], [0, 1]]),
    "turned": np.array([[math.cos(0.4), -math.sin(0.4)], [math.sin(0.4), math.cos(0.4)]]),
    "a quarter turn": np.array([[0.0, -1.0], [1.0, 0.0]]),
    "all of it": np.array([[1.1, -0.2], [0.35, 0.85]]),
}


@pytest.mark.parametrize("map_22", MAPS.values(), ids=MAPS.keys())
def test_affine_maps_equal_those_of_scipy(map_22: npt.NDArray[np.float64], images: Tensor) -> None:
    augmented = Augmentation(NOTHING).apply(images, build_draws(len(images), map_22=map_22))
    map_yx = map_22[::-1, ::-1]  # SciPy's first axis is y
    for image_HW, augmented_HW in zip(images.numpy(), augmented.numpy(), strict=True):
        expected_HW = scipy.ndimage.affine_transform(
            image_HW, map_yx, offset=13.5 - map_yx @ (13.5, 13.5), order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(augmented_HW, expected_HW, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("map_22", MAPS.values(), ids=MAPS.keys())
def test_bicubic_interpolation_equals_an_explicit_one(
    map_22: npt.NDArray[np.float64], images: Tensor
) -> None:
    augmented = Augmentation(BICUBIC).apply(images[:20], build_draws(20, map_22=map_22))
    torch.testing.assert_close(augmented, sample(images[:20], map_22), rtol=0, atol=ROUNDING)


def test_affine_maps_scale_then_shear_then_rotate() -> None:
    config = AugmentationConfig(rotation_degrees=40, scale=0.4, shear=0.5)
    draws = Augmentation(config).draw(20, build_generator(5, 2))
    uniform_N7 = build_generator(5, 2).spawn(1)[0].uniform(-1, 1, (20, 7))
    for fields_2C, uniform in zip(draws.fields_N2C.double().numpy(), uniform_N7, strict=True):
        angle = math.radians(config.rotation_degrees * uniform[0])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shear = np.array([[1, config.shear * uniform[3]], [0, 1]])
        scale = np.diag(np.exp(config.scale * uniform[1:3]))
        np.testing.assert_allclose(fields_2C[:, :2], turn @ shear @ scale, atol=1e-6)


def test_elastic_deformation_equals_that_of_scipy(images: Tensor) -> None:
    augmentation = Augmentation(AugmentationConfig(elastic_px=1.5))
    draws = augmentation.draw(len(images), build_generator(0, 0))
    augmented = augmentation.apply(images, draws)
    rows_HW, columns_HW = np.mgrid[:28, :28]
    for image_HW, field_2HW, augmented_HW in zip(
        images.numpy(), displace(draws).numpy(), augmented.numpy(), strict=True
    ):
        places = (rows_HW + field_2HW[1], columns_HW + field_2HW[0])
        expected_HW = scipy.ndimage.map_coordinates(image_HW, places, order=1, mode="grid-constant")
        np.testing.assert_allclose(augmented_HW, expected_HW, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("stroke", [-1.0, -0.3, 0.0, 0.4, 1.0])
def test_stroke_width_changes_like_scipys_morphology(stroke: float, images: Tensor) -> None:
    # Noise too, so that something happens at the edges.
    noise = torch.rand(20, 28, 28, generator=torch.Generator().manual_seed(0))
    for pictures in (images[:20], noise):
        changed = change_stroke_width(pictures, torch.full((20,), stroke))
        change = scipy.ndimage.grey_dilation if stroke > 0 else scipy.ndimage.grey_erosion
        fully = change(pictures.numpy(), size=(1, 3, 3), mode="nearest")
        expected = (1 - abs(stroke)) * pictures + abs(stroke) * torch.from_numpy(fully)
        torch.testing.assert_close(changed, expected, rtol=0, atol=1e-6)


def test_each_image_has_its_own_change_of_stroke_width(images: Tensor) -> None:
    strokes = torch.tensor([0.5, -0.5, 0.0])
    together = change_stroke_width(images[:3], strokes)
    alone = [change_stroke_width(images[i : i + 1], strokes[i : i + 1]) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))
    more, less, same = (together - images[:3]).sum((1, 2))
    assert more > 10 > -10 > less
    assert same == 0


def test_stroke_width_is_changed_before_pixels_are_displaced(images: Tensor) -> None:
    config = AugmentationConfig(stroke=1.0)
    draws = build_draws(20, shift_px=(-3, 0), stroke=0.5)
    augmented = Augmentation(config).apply(images[:20], draws)
    expected = torch.zeros(20, 28, 28)
    expected[:, :, 3:] = change_stroke_width(images[:20], draws.strokes_N)[:, :, :-3]
    torch.testing.assert_close(augmented, expected, rtol=0, atol=ROUNDING)
