FROM python:3.11-slim-trixie AS build
WORKDIR /src
RUN python -m venv /opt/anomaly-tui
COPY requirements.txt ./
RUN /opt/anomaly-tui/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE schema.sql ./
COPY domain domain
COPY simulator simulator
COPY detectors detectors
COPY services services
COPY tui tui
RUN /opt/anomaly-tui/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-trixie
COPY --from=build /opt/anomaly-tui /opt/anomaly-tui
# Anybody may write there, because compose.yaml runs the engine as the user who owns the secrets.
RUN install -d -m 1777 /data
ENV PATH=/opt/anomaly-tui/bin:$PATH ANOMALY_TUI_DATA_DIR=/data HOME=/data
VOLUME /data
USER 1000:1000
EXPOSE 8787
ENTRYPOINT ["anomaly-tui"]
CMD ["--daemon"]
