"""What a person decides about an image: hold a tag, reject a digest, or lift either again.

| decision | means |
|---|---|
| hold | the tag goes on showing what it shows, whoever or whatever promotes to it; a rollback holds its tag by itself |
| reject | the digest that the tag shows is never promoted again, under whatever tag and from whatever repository |
| lift the hold, lift the rejection | it may be promoted again |

It stands on the image itself, with the reason and your name: Artifactory shows it, too, and plans say *refused*.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, get_current_context, task

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.operators import (
    ArtifactoryHoldOperator,
    ArtifactoryLiftOperator,
    ArtifactoryRejectOperator,
)
from artifactory_provider.tasks import RETRY_POLICY, check_conf

FORM = {
    "decision": Param(
        "hold",
        type="string",
        enum=["hold", "reject", "lift_hold", "lift_rejection"],
        values_display={
            "hold": "Hold the tag",
            "reject": "Reject the digest that the tag shows",
            "lift_hold": "Lift the hold on the tag",
            "lift_rejection": "Lift the rejection of the digest",
        },
        title="Decision",
    ),
    "repository": Param("docker-prod", type="string", minLength=1, maxLength=64, title="Repository"),
    "image": Param(type="string", minLength=1, maxLength=400, title="Image", description="Example: payments/api"),
    "tag": Param(type="string", minLength=1, maxLength=128, title="Tag", description="Example: 1.4.2"),
    "digest": Param(
        None,
        type=["null", "string"],
        pattern="^sha256:[0-9a-f]{64}$",
        title="Digest",
        description="What the tag has to show still, or nothing is changed. Empty: whatever it shows.",
    ),
    "reason": Param(
        type="string",
        pattern=r"\S",
        maxLength=500,
        title="Reason",
        description="Everybody whose promotion is refused reads it, with your name.",
    ),
}


@dag(
    dag_display_name="Hold or reject an image",
    schedule=None,
    default_args={"owner": "platform", "retries": 2},
    params=FORM,
    doc_md=__doc__,
    tags=["artifactory", "promotion", "policy"],
)
def hold_or_reject() -> None:
    """Write on an image what somebody has decided about it."""
    image = {name: f"{{{{ params.{name} | trim }}}}" for name in ("repository", "image", "tag", "reason")}

    @task.branch(retry_policy=RETRY_POLICY)
    def choose() -> str:
        """Do what the form says, if the tag still shows what it was filled in about."""
        context = get_current_context()
        check_conf(context)
        form = context["params"]
        if form["digest"]:
            from artifactory_provider.hooks import ArtifactoryHook

            repository, image, tag = (str(form[name]).strip() for name in ("repository", "image", "tag"))
            ArtifactoryHook().pin(ImageReference(repository, image, tag, form["digest"]))
        return str(form["decision"])

    choose() >> [
        ArtifactoryHoldOperator(task_id="hold", **image),
        ArtifactoryRejectOperator(task_id="reject", **image),
        ArtifactoryLiftOperator(task_id="lift_hold", lifted="hold", **image),
        ArtifactoryLiftOperator(task_id="lift_rejection", lifted="rejection", **image),
    ]


hold_or_reject()
