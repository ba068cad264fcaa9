# syntax=docker/dockerfile:1
# The API: ridgeline/ and service/, without TensorFlow or the worker's code.

FROM python:3.11-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1
COPY requirements/bootstrap.txt /requirements/
RUN pip install --require-hashes -r /requirements/bootstrap.txt && uv venv /opt/venv
COPY requirements/service.txt /requirements/
# Compile byte code now: the container's file system is read-only, so Python cannot cache it later.
RUN uv pip install --python /opt/venv/bin/python --compile-bytecode --require-hashes \
    -r /requirements/service.txt

FROM python:3.11-slim
# A new volume mounted over the artifacts folder inherits this owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ridgeline \
    && install -d -o ridgeline -g ridgeline /var/lib/ridgeline/artifacts
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
COPY ridgeline/ ridgeline/
COPY service/ service/
RUN python -m compileall -q ridgeline service
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "service"]
