"""A folder of pipeline files: one that is broken breaks its own pipeline, and says why."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING

import pytest
from tests.unit.pipelines.pipeline_files import DEFAULTS, GOOD, STAGES, replace_stages

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.pipelines import InvalidPipeline, PipelineFolder, files, read_folder
from artifactory_provider.policy import Policy
from artifactory_provider.promotion.rules import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from artifactory_provider.policy.origins import Origin


def fill(folder: Path, texts: Mapping[str, str]) -> PipelineFolder:
    """Return what is read of a folder with some files, after the defaults."""
    for name, text in {"_defaults.yaml": DEFAULTS, **texts}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read_folder(folder)


def said_of(folder: PipelineFolder, name: str) -> str:
    assert folder.errors.keys() == {name}
    return str(folder.errors[name])


def test_each_file_is_a_pipeline_with_its_name(tmp_path: Path) -> None:
    texts = {"b.yaml": "image: b", "a.yml": "image: a", "C.YAML": "image: c"}
    ignored = {"_others.yaml": "image:", ".hidden.yaml": "image:", "notes.md": "image:", "d.yaml.bak": "image:"}
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "e.yaml").write_text("image:")
    folder = fill(tmp_path, texts | ignored)
    assert (list(folder.pipelines), folder.errors, folder.path) == (["C", "a", "b"], {}, tmp_path)
    assert [pipeline.source for pipeline in folder.pipelines.values()] == ["C.YAML", "a.yml", "b.yaml"]


def test_a_folder_needs_no_defaults_and_no_pipelines(tmp_path: Path) -> None:
    assert read_folder(tmp_path).pipelines == {}
    (tmp_path / "a.yaml").write_text(GOOD)
    assert list(read_folder(str(tmp_path)).pipelines) == ["a"]


def test_a_broken_file_breaks_its_own_pipeline_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"a.yaml": "image: a", "b.yaml": "image: b\ntag: 1.10", "c.yaml": "image: c"})
    assert list(folder.pipelines) == ["a", "c"]
    assert said_of(folder, "b.yaml") == (
        "b.yaml has an error, and cannot be used:\n  line 2, tag: 1.10 is a number: quote it, so that it is a text."
    )


def test_broken_defaults_break_all_that_may_need_them(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"_defaults.yaml": "owner: 7\npol: a", "a.yaml": "image: a", "b.yaml": GOOD})
    assert (folder.pipelines, list(folder.errors)) == ({}, ["_defaults.yaml", "a.yaml", "b.yaml"])
    assert "line 2, pol: There is no such field. Did you mean pool?" in str(folder.errors["_defaults.yaml"])
    assert "_defaults.yaml may hold for this pipeline, too, and cannot be used: mend it. Its first error is in " in str(
        folder.errors["b.yaml"]
    )


def test_defaults_under_another_ending_are_not_passed_over(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"_defaults.yml": DEFAULTS, "a.yaml": GOOD})
    assert folder.pipelines == {}
    assert "Call it _defaults.yaml" in str(folder.errors["_defaults.yml"])


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidPipeline, match="The folder cannot be read: No such file or directory"):
        read_folder(tmp_path / "pipelines")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "It is a folder"),
        (lambda path: os.mkfifo(path), "It is no regular file"),
        (lambda path: path.symlink_to("/etc/hostname"), "a link to a file outside of the folder"),
        (lambda path: path.symlink_to("../outside.yaml"), "a link to a file outside of the folder"),
        (lambda path: path.symlink_to("nowhere"), "a link that leads to no file"),
        (lambda path: path.symlink_to("x.yaml"), "x.yaml has an error"),
        (lambda path: path.write_text("#" * 300_000), "longer than 256 KiB"),
        (lambda path: path.write_bytes(b"\xff"), "no UTF-8"),
        (lambda path: path.write_text(""), "It is empty"),
    ],
)
def test_what_is_no_file_of_the_folder_is_refused(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    root = tmp_path / "pipelines"
    root.mkdir()
    (tmp_path / "outside.yaml").write_text(GOOD)
    make(root / "x.yaml")
    folder = fill(root, {"a.yaml": "image: a"})
    assert list(folder.pipelines) == ["a"]
    assert said in said_of(folder, "x.yaml")


def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_to_read(self: files.Files, name: str) -> bytes:
        raise PermissionError(13, "Permission denied", str(tmp_path / name))

    (tmp_path / "a.yaml").write_text(GOOD)
    monkeypatch.setattr(files.Files, "_read_bytes", refuse_to_read)
    assert "It cannot be read: Permission denied." in said_of(read_folder(tmp_path), "a.yaml")


def test_a_file_that_goes_while_the_folder_is_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(self: files.Files, name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    (tmp_path / "a.yaml").write_text(GOOD)
    monkeypatch.setattr(files.Files, "_read_bytes", lose)
    folder = read_folder(tmp_path)
    assert (folder.pipelines, folder.errors) == ({}, {})


@pytest.mark.parametrize("name", ["a b.yaml", "ü.yaml", "a\nb.yaml", f"{'x' * 240}é.yaml", os.fsdecode(b"\xff.yaml")])
def test_a_name_that_is_no_id_of_a_dag_is_refused(tmp_path: Path, name: str) -> None:
    folder = fill(tmp_path, {name: "image: a"})
    [(file, error)] = folder.errors.items()
    assert "is no id of a DAG" in str(error)
    assert file.encode()


def test_links_as_mounted_files_have_them_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "a.yaml").write_text(GOOD)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    assert list(read_folder(tmp_path).pipelines) == list(read_folder(link).pipelines) == ["a"]


def test_two_files_of_one_name_are_one_pipeline_too_many(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"a.yaml": "image: a", "a.yml": "image: b"})
    assert folder.pipelines["a"].source == "a.yaml"
    assert "a.yaml is the pipeline a already: rename one of the files." in said_of(folder, "a.yml")


PROD = "stages: [{repository: docker-dev}, {repository: docker-prod, tags: [%s]}]"


@pytest.mark.parametrize(
    ("first", "later", "image"),
    [
        ("image: a", "image: a", "a"),
        ("images: [a, b]", "images: [c, b]", "b"),
        ("images: ['a/*']", "image: a/b", "a/b"),
        ("image: a/b", "images: ['a/*']", "a/b"),
        ("image: a/b", "images: ['regex:a/.']", "a/b"),
        ("images: ['a/*']", "images: ['a/b*']", "a/bx"),
        ("images: ['a/b*']", "images: ['a/*']", "a/bx"),
        ("images: ['a/*']", "images: ['*-api']", "a/x-api"),
        ("images: ['*']", "images: ['*']", "x"),
        ("image: a\ntag: edge", "image: a\ntag: edge", "a"),
        (f"image: a\n{PROD % 'stable'}", f"image: a\ntag: '1.*'\n{PROD % 'stable'}", "a"),
        (f"image: a\ntag: stable\n{PROD % repr('{tag}')}", f"image: a\n{PROD % 'stable'}", "a"),
    ],
)
def test_two_pipelines_for_one_target_tag_are_refused_in_the_later_file(
    tmp_path: Path, first: str, later: str, image: str
) -> None:
    folder = fill(tmp_path, {"first.yaml": first, "later.yaml": later})
    assert list(folder.pipelines) == ["first"]
    said = said_of(folder, "later.yaml")
    assert f": {image} is promoted to docker-" in said
    assert "by first.yaml, too" in said


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("image: a", "image: b"),
        ("images: ['a/*']", "images: ['b/*']"),
        ("images: ['a/*']\nexclude: [a/b]", "image: a/b"),
        ("images: ['a/*']\nexclude: ['a/b*']", "images: ['a/b*']"),
        ("images: ['a-*']", "images: ['b?']"),
        ("image: a\ntag: '1.*'", "image: a\ntag: '2.*'"),
        ("image: a", "image: a\nstages: [{repository: other-dev}, {repository: other-prod}]"),
        ("image: a\ntag: edge", "image: a\ntag: stable"),
        (f"image: a\n{PROD % 'stable'}", f"image: a\n{PROD % 'latest'}"),
    ],
)
def test_pipelines_for_different_target_tags_are_taken(tmp_path: Path, first: str, later: str) -> None:
    folder = fill(tmp_path, {"first.yaml": first, "later.yaml": later})
    assert (list(folder.pipelines), folder.errors) == (["first", "later"], {})


def test_a_file_is_read_again_when_it_or_the_defaults_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SETTLED", -(10**12))
    first = fill(tmp_path, {"a.yaml": "image: a", "b.yaml": "image: b"}).pipelines
    again = read_folder(tmp_path).pipelines
    assert all(again[name] is first[name] for name in "ab")
    (tmp_path / "b.yaml").write_text("image: c")
    (tmp_path / "a.yaml").touch()
    os.utime(tmp_path / "b.yaml", (1, 1))
    changed = read_folder(tmp_path).pipelines
    assert (changed["a"], changed["b"].images.exact) == (first["a"], ("c",))
    (tmp_path / "_defaults.yaml").write_text(f"owner: other\n{DEFAULTS}")
    assert {pipeline.owner for pipeline in read_folder(tmp_path).pipelines.values()} == {"other"}
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "b.yaml").write_text("image: [")
    folder = read_folder(tmp_path)
    assert (folder.pipelines, list(folder.errors)) == ({}, ["b.yaml"])


def test_a_file_that_has_just_changed_is_not_taken_for_known(tmp_path: Path) -> None:
    fill(tmp_path, {"a.yaml": "image: a"})
    state = (tmp_path / "a.yaml").stat()
    (tmp_path / "a.yaml").write_text("image: b")
    os.utime(tmp_path / "a.yaml", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert read_folder(tmp_path).pipelines["a"].images.exact == ("b",)


@pytest.mark.parametrize("images", ["'team-{}/*'", "'*-{}'"])
def test_five_hundred_files_are_read_at_once(tmp_path: Path, images: str) -> None:
    texts = {f"p{number}.yaml": f"images: [{images.format(f'{number:03}')}]\n{STAGES}" for number in range(500)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert len(read_folder(tmp_path).pipelines) == 500


def test_what_the_stages_ask_of_the_pipelines_own_images_is_rules_for_whoever_promotes_them(tmp_path: Path) -> None:
    stages = (
        "name: dev, repository: docker-dev, checks: [{property: test.status}]",
        'name: qa, repository: docker-qa, windows: {timezone: UTC, allow: ["Mon-Thu 09:00-16:00"]}',
        "name: prod, repository: docker-prod, approvals: {count: 2, from: [alice, bob]}",
    )
    other = replace_stages("name: dev, repository: docker-dev", "name: qa, repository: docker-qa", rest="image: web")
    folder = fill(tmp_path, {"a.yaml": replace_stages(*stages, rest="images: [api/*]"), "b.yaml": other})
    assert folder.errors == {}
    assert folder.repositories == ["docker-dev", "docker-qa", "docker-prod"]
    assert folder.images == ["web"]
    policy = Policy(folder.rules())
    for image, is_own in (("api/orders", True), ("web", False), ("other", False)):
        qa, prod = ImageReference("docker-qa", image, "1"), ImageReference("docker-prod", image, "1")
        sunday = datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC)
        assert bool(policy.refuse(Change(qa, qa), origin="person", at=sunday)) == is_own
        assert [check.name for check in policy.required_checks(qa)] == (["test.status"] if is_own else [])
        assert bool(policy.approvals(prod)) == is_own
        assert policy.refuse(Change(qa, qa), origin="rollback", at=sunday) is None
    with pytest.raises(InvalidPipeline, match="line 2"):
        fill(tmp_path, {"c.yaml": "image: c\ntag: 1.10"}).rules()


def test_who_comes_to_a_stage_of_a_pipeline_comes_from_the_one_below(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "image: payments/api\nstages:\n- {name: dev, repository: docker-dev}\n- {name: qa, repository: docker-qa}\n"
        "- {name: prod, repository: docker-prod}\n"
    )
    policy = Policy(tuple(read_folder(tmp_path).rules()))
    now = datetime.datetime.now(datetime.UTC)

    def refuse(source: str, target: str, image: str = "payments/api", origin: Origin = "person") -> str:
        digest = f"sha256:{'a' * 64}"
        change = Change(ImageReference(source, image, "1.0", digest), ImageReference(target, image, "1.0"))
        refusal = policy.refuse(change, origin=origin, at=now)
        return refusal.reason if refusal else ""

    assert refuse("docker-dev", "docker-qa") == refuse("docker-qa", "docker-prod") == ""
    assert refuse("docker-dev", "docker-prod") == (
        "docker-prod/payments/api:1.0 comes from docker-qa alone, and not from docker-dev."
    )
    assert refuse("docker-prod", "docker-prod") == "", "a tag of what is there already"
    assert refuse("docker-dev", "docker-prod", image="others/api") == ""
    assert refuse("docker-dev", "docker-prod", origin="rollback") == ""
