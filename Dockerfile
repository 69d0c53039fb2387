# Two images of one application: "serve" (web, workers on CPU) and "gpu" (inference on an NVIDIA GPU).
#
#   docker build --target serve -t lentigo .
#   docker build --target gpu   -t lentigo-gpu .

FROM python:3.12-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/venv/bin:$PATH

FROM base AS install-serve
COPY requirements/serve.txt /requirements.txt
RUN python -m venv /venv && pip install --no-cache-dir --require-hashes -r /requirements.txt

# The same pins, and TensorFlow with CUDA.
FROM base AS install-gpu
COPY requirements/gpu.txt /requirements.txt
RUN python -m venv /venv && pip install --no-cache-dir --require-hashes -r /requirements.txt

FROM base AS application
RUN useradd --uid 10001 --create-home lentigo \
    && install -d -o lentigo -g lentigo /data /data/media
WORKDIR /app
COPY manage.py ./
COPY portal portal
COPY diagnoses diagnoses
COPY notifications notifications
COPY mlservice mlservice
COPY accounts accounts
COPY templates templates
# Which revision this is, as /metrics says it: --build-arg COMMIT=$(git rev-parse HEAD)
ARG COMMIT=
ENV DATA_DIR=/data MEDIA_ROOT=/data/media STATIC_ROOT=/app/static COMMIT=$COMMIT

FROM application AS serve
COPY --from=install-serve /venv /venv
RUN SECRET_KEY=for-this-step-only python manage.py collectstatic --noinput
USER lentigo
EXPOSE 8000
# For the web container; docker-compose.yml gives the workers checks of their own.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["gunicorn", "-c", "python:portal.gunicorn_config", "portal.wsgi"]

FROM application AS gpu
COPY --from=install-gpu /venv /venv
ENV MODEL_DEVICE=gpu
USER lentigo
CMD ["celery", "-A", "portal", "worker", "-Q", "inference", "--pool=solo", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO"]
