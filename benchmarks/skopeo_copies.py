"""`skopeo copy --all` for each tag: how images are promoted where nobody knows of the server's own promotion."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from artifactory_provider.artifactory.references import ImageReference

    Promotions = Sequence[tuple[ImageReference, ImageReference]]

AT_ONCE = (1, 2, 4, 8)
_OPTIONS = (
    *("--insecure-policy", "copy", "--quiet", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"),
    *("--src-creds=admin:password", "--dest-creds=admin:password"),
)


def has_skopeo() -> bool:
    """Tell whether skopeo is installed."""
    return shutil.which("skopeo") is not None


def copy_all(port: int, promotions: Promotions, at_once: int) -> float:
    """Copy each image over this machine and return how many a second there were.

    :param port: the sandbox's port.
    :param promotions: source and target of each.
    :param at_once: how many copies are under way at a time, each a process of its own.
    """

    def copy(promotion: tuple[ImageReference, ImageReference]) -> None:
        places = [f"docker://127.0.0.1:{port}/{one.repository}/{one.image}:{one.tag}" for one in promotion]
        subprocess.run(["skopeo", *_OPTIONS, *places], check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607

    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(copy, promotions))
    return len(promotions) / (time.perf_counter() - begun)
