"""Is the service catalogue complete? Promotions start when it is.

The catalogue says who owns each image. Its rows are loaded, then checked in SQL; when every check holds, the asset
``service_catalog`` is updated, and the DAGs that follow it run. Its database is the connection ``service_catalog``.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.sql.operators.sql import (
    SQLColumnCheckOperator,
    SQLExecuteQueryOperator,
    SQLTableCheckOperator,
)
from airflow.sdk import Asset, CronTriggerTimetable, dag


@dag(
    dag_display_name="Service catalogue check",
    schedule=CronTriggerTimetable("30 1 * * *", timezone="Europe/Berlin"),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "platform",
        "conn_id": "service_catalog",
        "retries": 2,
        "retry_delay": pendulum.duration(minutes=1),
    },
    doc_md=__doc__,
    tags=["data-quality"],
)
def service_catalog_check() -> None:
    """Load the service catalogue and check it."""
    load = SQLExecuteQueryOperator(
        task_id="load",
        sql=[
            "CREATE TABLE IF NOT EXISTS services (image VARCHAR(255) PRIMARY KEY, owner VARCHAR(100), tier INTEGER)",
            "DELETE FROM services",
            """
            INSERT INTO services (image, owner, tier) VALUES
                ('cluster-autoscaler', 'capacity', 1), ('controller', 'edge', 1), ('coredns', 'network', 1),
                ('csi-attacher', 'storage', 2), ('csi-provisioner', 'storage', 2), ('csi-resizer', 'storage', 2),
                ('csi-snapshotter', 'storage', 2), ('hostpathplugin', 'storage', 3), ('livenessprobe', 'storage', 3),
                ('metrics-server', 'capacity', 2), ('node-feature-discovery', 'capacity', 3),
                ('vpa-recommender', 'capacity', 2)
            """,
        ],
    )
    check_columns = SQLColumnCheckOperator(
        task_id="check_columns",
        table="services",
        column_mapping={
            "image": {"null_check": {"equal_to": 0}, "unique_check": {"equal_to": 0}},
            "owner": {"null_check": {"equal_to": 0}},
            "tier": {"min": {"geq_to": 1}, "max": {"leq_to": 3}},
        },
    )
    check_table = SQLTableCheckOperator(
        task_id="check_table",
        table="services",
        checks={"has_rows": {"check_statement": "COUNT(*) > 0"}},
        outlets=[Asset("service_catalog")],
    )
    load >> check_columns >> check_table


service_catalog_check()
