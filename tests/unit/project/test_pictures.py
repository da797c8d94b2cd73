"""The pictures of the documentation, which `make pictures` makes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / "docs" / "images"
PICTURES = sorted(path.stem for path in FOLDER.glob("*.png") if not path.stem.endswith("-dark"))


def size(file: Path) -> tuple[int, int]:
    """Return a PNG's width and height."""
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_there_are_pictures_and_every_one_is_shown_for_light_and_dark() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"))]
    shown = {name for text in texts for name in re.findall(r"images/([\w-]+)\.png", text)}
    assert PICTURES
    assert shown == {name for picture in PICTURES for name in (picture, f"{picture}-dark")}


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_as_large_in_both_themes_and_its_files_are_small(picture: str) -> None:
    light, dark = (FOLDER / f"{picture}{theme}.png" for theme in ("", "-dark"))
    assert size(light) == size(dark)
    assert size(light)[0] in {1280, 1440}
    for file in (light, dark):
        assert file.stat().st_size < 100_000
