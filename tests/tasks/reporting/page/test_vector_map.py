"""Maps stay within the picture, and every point is in the layer of its class."""

import numpy as np

from tasks.reporting.page.vector_map import Point, draw_map


def test_points_fill_the_picture_and_the_first_are_the_largest() -> None:
    points = np.random.default_rng(0).normal(size=(400, 2)) * [5, 1] + [30, -7]
    about = [Point("", str(n), "") for n in range(400)]
    found = draw_map("als", points, about, [], width=1000, height=500)
    [(layer, places)] = found.layers
    x, y = (np.array([getattr(place, axis) for place in places]) for axis in "xy")
    assert (layer, found.n) == ("", 400)
    assert (x.min(), x.max(), y.min(), y.max()) == (14, 986, 14, 486)
    assert (np.diff(x[np.argsort(points[:, 0])]) >= 0).all()
    sizes = [place.size for place in places]
    assert sizes == sorted(sizes, reverse=True)
    assert [sizes.count(size) for size in (3, 2, 1, 0)] == [25, 75, 125, 175]


def test_layers_keep_their_order_and_other_classes_come_last() -> None:
    about = [Point(layer, layer, "") for layer in ("b", "x", "a", "", "b")]
    points = np.arange(10.0).reshape(5, 2)
    found = draw_map("als", points, about, ["a", "b", "absent"], width=10, height=10)
    assert [(layer, [place.title for place in places]) for layer, places in found.layers] == [
        ("a", ["a"]),
        ("b", ["b", "b"]),
        ("", ["x", ""]),
    ]
