# A slim image of the job, which runs as an unprivileged user. The stand-in runs from the same image (see docker-compose.yml).
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY schemas schemas
COPY transforms transforms
COPY pipeline pipeline
RUN python -m venv /opt/log2mq \
 && /opt/log2mq/bin/pip install --no-cache-dir --constraint constraints.txt '.[demo,redis]'

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
