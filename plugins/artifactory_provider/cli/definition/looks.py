"""The commands ``status``, ``verify``, ``diff``, ``audit`` and ``trail``, which only look."""

from __future__ import annotations

from artifactory_provider.cli.airflow_internals import Arg, positive_int
from artifactory_provider.cli.definition.shared import (
    ARG_CONN_ID,
    ARG_FOLDER,
    ARG_IMAGES,
    ARG_PIPELINE,
    ARG_PIPELINE_CONN_ID,
    ARG_TAG,
    make_command,
)

_STATUS = make_command(
    "status",
    "look.status",
    "Show which tags of an image stand in each stage",
    Arg(("image",), help="The image, or one tag of it", metavar="IMAGE[:TAG]"),
    ARG_PIPELINE,
    ARG_FOLDER,
    Arg(
        ("--repository",),
        help="A repository to look in instead of a pipeline's; several times for several",
        action="append",
        metavar="REPOSITORY",
    ),
    Arg(
        ("--limit",),
        help="How many tags are shown of each stage, the newest first; 0 for all (default: 10)",
        type=positive_int(allow_zero=True),
        default=10,
    ),
    ARG_PIPELINE_CONN_ID,
    more="The stages are those of the pipeline that the image is in.",
    example="status payments/api --repository docker-dev --repository docker-qa",
)
_VERIFY = make_command(
    "verify",
    "verify.verify",
    "Ask the checks about what a tag shows",
    ARG_TAG,
    Arg(
        ("--property",),
        help="A property that has to be there, with the value 'passed' or another; several times for several",
        action="append",
        metavar="NAME[=VALUE]",
    ),
    Arg(("--to",), help="A target whose policy's checks are asked, too", metavar="TARGET"),
    ARG_PIPELINE,
    ARG_FOLDER,
    ARG_PIPELINE_CONN_ID,
    more="Without a property and a target, the checks of the stage are asked that the tag stands in.",
    example="verify docker-dev/payments/api:1.4.2 --property test.status",
)
_DIFF = make_command(
    "diff",
    "look.diff",
    "Show the tags that differ between two repositories",
    Arg(("source",), help="The one repository", metavar="FROM"),
    Arg(("target",), help="The other one", metavar="TO"),
    ARG_IMAGES,
    ARG_CONN_ID,
    example="diff docker-dev docker-qa --image 'payments/*'",
)

_AUDIT = make_command(
    "audit",
    "audit.audit",
    "Show what stands in stages that no promotion explains, what is gone, lost, or against today's rules",
    Arg(
        ("--repository",),
        help="A repository that is audited; several times for several (default: those of all stages of the pipelines "
        "but the first)",
        action="append",
        metavar="REPOSITORY",
    ),
    ARG_IMAGES,
    ARG_FOLDER,
    Arg(("--csv",), help="Where all findings are written as CSV, the accepted ones, too", metavar="FILE"),
    Arg(("--accepted",), help="Show the accepted findings, too", action="store_true"),
    ARG_CONN_ID,
    more=(
        "It ends with 0 where there are no findings but accepted ones, and with 3 where there are. Asset events of "
        "this Airflow explain what has no record, as they do in the DAG audit_drift."
    ),
    example="audit --repository docker-qa --image 'payments/*'",
)

_TRAIL = make_command(
    "trail",
    "trail.trail",
    "Show who promoted what into a stage, and when, on which verdicts, approvals and overrides",
    Arg(("--repository",), help="The repository of the stage", metavar="REPOSITORY", required=True),
    ARG_IMAGES,
    Arg(("--from",), help="Not before this moment, such as 2026-11-01 or 2026-11-01T00:00+01:00", metavar="MOMENT"),
    Arg(("--before",), help="Before this moment", metavar="MOMENT"),
    Arg(("--csv",), help="Where all is written as CSV, such as trail.csv", metavar="FILE"),
    ARG_CONN_ID,
    more=(
        "It is told by the records on the images and by this Airflow's asset events; each row says by which, and where "
        "they contradict each other. A moment without a zone is in UTC."
    ),
    example="trail --repository docker-qa --from 2026-11-01",
)

COMMANDS = (_STATUS, _VERIFY, _DIFF, _AUDIT, _TRAIL)
