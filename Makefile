# Fresh machine to result, nothing else typed: make demo, make test, make lint, make docs.
# Another interpreter for the environment: make test PYTHON=python3.12

PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet -c constraints.txt

.PHONY: demo test lint style types docs
.DELETE_ON_ERROR:

demo: .venv/installed
	.venv/bin/python examples/demo.py

test: .venv/installed-test
	.venv/bin/pytest -n auto --dist loadfile

lint: style types

style: .venv/installed-lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

# mypy reads the package as it is installed: adapters and datasets inside gridcnn.
types: .venv/installed-lint
	rm -rf build/typed && mkdir -p build/typed/gridcnn
	ln -s $(CURDIR)/gridcnn/* $(CURDIR)/adapters $(CURDIR)/datasets build/typed/gridcnn/
	MYPYPATH=build/typed .venv/bin/mypy

# The pictures of docs/: the walk from embedded data, those of the ordering check where its tables are at hand.
docs: .venv/installed
	.venv/bin/python docs/draw_walk.py
	if [ -n "$$GRIDCNN_DATA" ]; then .venv/bin/python docs/draw_ordering.py; \
	else echo "GRIDCNN_DATA is not set: docs/ordering-*.png stay as they are"; fi

# The stamps are newer than what they were made from, so that a changed pin is installed before the next run.
.venv/installed: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/installed-test .venv/installed-lint: .venv/installed-%: .venv/installed
	$(PIP) -e '.[$*]'
	touch $@
