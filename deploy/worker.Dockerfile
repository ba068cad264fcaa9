# syntax=docker/dockerfile:1
# The worker: ridgeline/ and worker/ with TensorFlow. REQUIREMENTS is worker.txt, or worker-gpu.txt to
# include the CUDA libraries; the host then provides the driver through NVIDIA's container toolkit.

FROM python:3.11-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1
COPY requirements/bootstrap.txt /requirements/
RUN pip install --require-hashes -r /requirements/bootstrap.txt && uv venv /opt/venv
ARG REQUIREMENTS=worker.txt
COPY requirements/${REQUIREMENTS} /requirements/
# Compile byte code now: the container's file system is read-only, and without byte code TensorFlow
# takes 13 s to import instead of 4 s.
RUN uv pip install --python /opt/venv/bin/python --compile-bytecode --require-hashes \
    -r /requirements/${REQUIREMENTS}

FROM python:3.11-slim
# A new volume mounted over the artifacts folder inherits this owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ridgeline \
    && install -d -o ridgeline -g ridgeline /var/lib/ridgeline/artifacts
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=2
WORKDIR /app
COPY ridgeline/ ridgeline/
COPY worker/ worker/
RUN python -m compileall -q ridgeline worker
USER 10001:10001
CMD ["python", "-m", "worker"]
