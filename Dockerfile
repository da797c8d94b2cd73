# syntax=docker/dockerfile:1
# The official Airflow image with this repository's two packages and its DAGs, and with nothing of it replaced.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.11

FROM ${AIRFLOW_IMAGE} AS wheels
RUN mkdir -p /tmp/source/plugins /tmp/wheels
COPY --chown=airflow:0 requirements.txt deploy/install_locked.py /tmp/tools/
RUN python /tmp/tools/install_locked.py --lock /tmp/tools/requirements.txt hatchling
COPY --chown=airflow:0 pyproject.toml README.md CHANGELOG.md LICENSE /tmp/source/
COPY --chown=airflow:0 plugins/artifactory_provider /tmp/source/plugins/artifactory_provider
COPY --chown=airflow:0 sandbox /tmp/source/sandbox
RUN python -m pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation \
    --wheel-dir /tmp/wheels /tmp/source /tmp/source/sandbox

FROM ${AIRFLOW_IMAGE}
# An empty configuration, since none can be written at start: the root file system is read-only, and every
# setting comes from the environment. The directory gives its owner to the sandbox's volume.
RUN touch "${AIRFLOW_HOME}/airflow.cfg" && mkdir "${AIRFLOW_HOME}/sandbox"
RUN --mount=type=bind,from=wheels,source=/tmp/wheels,target=/tmp/wheels \
    --mount=type=bind,from=wheels,source=/tmp/tools,target=/tmp/tools \
    python -m pip install --no-cache-dir --no-index --no-deps /tmp/wheels/*.whl \
    && python /tmp/tools/install_locked.py --lock /tmp/tools/requirements.txt \
        airflow-provider-artifactory artifactory-sandbox \
    && python -m pip check
COPY --chown=airflow:0 dags "${AIRFLOW_HOME}/dags"
