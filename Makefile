# make run        set up .venv and run the main job: a folder of beats, figures and a report
# make test       set up .venv with the development tools and run every check
# make lab        open the notebooks in JupyterLab
# make bench      time everything against plain programs: benchmarks/results.md
# make docs       build the documentation site in _docs (needs the quarto program)
# make lite       build the lessons that run in a browser, without installation, in _lite
# make readme     write README.md from nbs/index.ipynb
# make notebooks  execute every notebook and keep its outputs
# make editions   write the course for students, for teachers and for nbgrader to editions/
# make minutes    measure how long each lesson takes again, for the teacher's guide
# make artefacts  make the networks, cards and reward logs of the package again, in artefacts/
# make clean      remove .venv and everything built
#
# Choose a Python with   make test PYTHON=python3.12
# Pass options with      make run ARGS="--seed 1 --out runs/one"

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
SOURCES := settings.ini setup.py pyproject.toml constraints.txt
# The state of widgets, which no page needs, is left out of a notebook's metadata.
KERNEL_ONLY := --ClearMetadataPreprocessor.enabled=True --ClearMetadataPreprocessor.clear_cell_metadata=False \
	--ClearMetadataPreprocessor.preserve_nb_metadata_mask="{'kernelspec'}"
# Each module is compiled when it is first imported: most never are, and that is a third of the time.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: run check test lab bench docs lite readme notebooks editions minutes artefacts clean have-quarto
.DELETE_ON_ERROR:

run: .venv/installed
	@$(BIN)/drum_qtuner run $(ARGS)

check: .venv/installed-dev node_modules/.installed
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/python .ci/check_types.py
	@npx --no-install eslint drum_qtuner/assets

test: .venv/installed-test
	@OMP_NUM_THREADS=1 TQDM_DISABLE=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --durations 15 $(ARGS)

lab: .venv/installed-dev
	@$(BIN)/python -m jupyterlab $(ARGS) nbs

bench: .venv/installed-dev
	@OMP_NUM_THREADS=1 TQDM_DISABLE=1 $(BIN)/python benchmarks/run.py $(ARGS)

docs: have-quarto .venv/installed-dev readme lite
	PATH="$(CURDIR)/$(BIN):$$PATH" nbdev_docs
	@echo "The site is in _docs: open _docs/index.html"

lite: .venv/installed-dev
	$(BIN)/python scripts/make_lite.py _lite

have-quarto:
	@command -v quarto >/dev/null || { echo "make docs needs the quarto program: https://quarto.org/docs/get-started/" >&2; exit 2; }

readme: .venv/installed-dev
	@$(BIN)/python .ci/readme.py nbs/index.ipynb > README.md.new
	@mv README.md.new README.md

notebooks: .venv/installed-dev
	$(BIN)/nbdev_export
	TQDM_DISABLE=1 $(BIN)/python -m nbconvert --to notebook --execute --inplace nbs/*.ipynb nbs/lib/*.ipynb
	$(BIN)/python -m nbconvert --to notebook --inplace $(KERNEL_ONLY) nbs/*.ipynb nbs/lib/*.ipynb
	$(BIN)/nbdev_clean

editions: .venv/installed-dev
	$(BIN)/python scripts/make_editions.py editions

minutes: .venv/installed-dev
	OMP_NUM_THREADS=1 TQDM_DISABLE=1 $(BIN)/python scripts/measure_lessons.py --run

artefacts: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python scripts/make_artefacts.py note_cnn dqn judge cards $(ARGS)

clean:
	rm -rf .venv node_modules build dist _docs _lite _proc *.egg-info

# Set-up. A stamp is written only when its step is complete, so an interrupted one is done again.

# .venv is made anew where it is not known to be whole, and after this folder was moved or copied.
ifneq ($(shell cat .venv/created 2>/dev/null),$(CURDIR))
.PHONY: .venv/created
endif

.venv/created:
	@command -v $(PYTHON) >/dev/null || { echo "There is no program '$(PYTHON)': install Python 3.11 or newer, or say make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "drum_qtuner needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1 | head -1): say make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv --clear .venv
	@echo "$(CURDIR)" > $@

.venv/installed: .venv/created $(SOURCES)
	$(INSTALL) -e ".[train]"
	@touch $@

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "The check of the JavaScript needs npm, which comes with Node.js: https://nodejs.org" >&2; exit 2; }
	npm ci --no-audit --no-fund
	@touch $@

.venv/installed-dev: .venv/created $(SOURCES)
	$(INSTALL) -e ".[dev]"
	@touch $@ .venv/installed

# The checks read the data set through TensorFlow Datasets too, and run a sweep on a small cluster.
.venv/installed-test: .venv/created $(SOURCES)
	$(INSTALL) -e ".[dev,tfds,sweep]"
	@touch $@ .venv/installed .venv/installed-dev
