# A slim image of the job, which runs as an unprivileged user. The stand-in runs from the same image (see docker-compose.yml).
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements requirements
# pip takes only files whose hashes are in requirements/. The backend that builds log2mq stays out of the image.
RUN python -m venv /opt/log2mq \
 && python -m venv /opt/build \
 && /opt/log2mq/bin/pip install --no-cache-dir --require-hashes --requirement requirements/demo.txt \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY transforms transforms
COPY pipeline pipeline
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/log2mq/bin/pip install --no-cache-dir --no-deps --no-index dist/*.whl

FROM python:3.12-slim
COPY --from=build /opt/log2mq /opt/log2mq
COPY examples /etc/log2mq/examples
RUN useradd --system --uid 10001 --home-dir /var/lib/log2mq --create-home log2mq
USER 10001
WORKDIR /var/lib/log2mq
ENV PATH=/opt/log2mq/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/var/lib/log2mq/state
VOLUME /var/lib/log2mq
# On SIGTERM the job finishes the records in flight, commits and ends. Wait longer than `stop.grace` before SIGKILL.
STOPSIGNAL SIGTERM
ENTRYPOINT ["log2mq"]
CMD ["--help"]
