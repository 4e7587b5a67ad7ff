# Three images, `operator`, `runtime` and `runtime-langchain`: a base with Python, and /app/.venv with the program and all it needs.
# Dependencies and our own code are separate layers, so that an edit of the code makes one small layer.
ARG BASE_IMAGE=python:3.13-slim
# Where the dependencies are installed: the same Python, with the modules venv and ensurepip, and a shell.
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
WORKDIR /app
# The certificate bundle for pip on machines whose way out is signed by an authority of their own.
ARG PIP_CERT=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# pip lives beside the environment, not in it. The .pth file makes /app/.venv/packages importable.
RUN python3 -m venv /tools && \
    python3 -m venv --without-pip /app/.venv && \
    mkdir /app/.venv/packages && \
    echo /app/.venv/packages > "$(/app/.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages.pth"

FROM build AS dependencies-operator
COPY requirements/operator.txt requirements.txt
# The Kubernetes client loads each of its 1,500 models on first use, which for us is never: no bytecode for them.
RUN /tools/bin/pip --python /app/.venv/bin/python install --quiet --no-compile --require-hashes -r requirements.txt && \
    /app/.venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x 'kubernetes/(aio/)?client/(api|models)/' /app/.venv/lib

FROM build AS dependencies-runtime
COPY requirements/runtime.txt requirements.txt
RUN /tools/bin/pip --python /app/.venv/bin/python install --quiet --no-compile --require-hashes -r requirements.txt && \
    /app/.venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/.venv/lib

# What providers need that are reached through LangChain; most bots do without.
FROM build AS dependencies-runtime-langchain
COPY requirements/runtime-langchain.txt requirements.txt
RUN /tools/bin/pip --python /app/.venv/bin/python install --quiet --no-compile --require-hashes -r requirements.txt && \
    /app/.venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/.venv/lib

FROM build AS code-operator
COPY crds/smarter_crds /app/.venv/packages/smarter_crds
COPY operator/smarter_operator /app/.venv/packages/smarter_operator
RUN /app/.venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app/.venv/packages

FROM build AS code-runtime
COPY crds/smarter_crds /app/.venv/packages/smarter_crds
COPY runtime/smarter_runtime /app/.venv/packages/smarter_runtime
RUN /app/.venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app/.venv/packages

FROM ${BASE_IMAGE} AS operator
LABEL org.opencontainers.image.title="Smarter operator" \
      org.opencontainers.image.description="Reconciles Chatbots into running, reachable chatbots." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=dependencies-operator /app/.venv /app/.venv
COPY --from=code-operator /app/.venv/packages /app/.venv/packages
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/app/.venv/bin/python", "-m", "smarter_operator"]

FROM ${BASE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Smarter runtime" \
      org.opencontainers.image.description="One small process that serves one chatbot." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=dependencies-runtime /app/.venv /app/.venv
COPY --from=code-runtime /app/.venv/packages /app/.venv/packages
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/app/.venv/bin/python", "-m", "smarter_runtime"]

FROM ${BASE_IMAGE} AS runtime-langchain
LABEL org.opencontainers.image.title="Smarter runtime with LangChain" \
      org.opencontainers.image.description="One small process that serves one chatbot." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=dependencies-runtime-langchain /app/.venv /app/.venv
COPY --from=code-runtime /app/.venv/packages /app/.venv/packages
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/app/.venv/bin/python", "-m", "smarter_runtime"]
