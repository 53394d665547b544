# Each target sets itself up: a virtual environment in .venv with the versions of constraints.txt. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON  ?= python3
PROFILE ?= demo
DATA    ?= simulated
SEED    ?= 0
SEEDS   ?= 1,2
ONLY    ?=
FORCE   ?=
JOBS    ?=
MASKS   ?=
WEIGHTS ?=
README  ?= README.md
LAB     ?=
TRAIN   ?=
RUN_FOLDER ?=

BIN   := .venv/bin
DOCS  := .venv-docs/bin
READY := .venv/ready

# What the user names reaches the shell as its own variables, so that quotes and dollars in a folder's name are only characters
$(foreach v,PROFILE DATA SEED SEEDS ONLY JOBS MASKS WEIGHTS RUN_FOLDER,$(eval override export $(v) := $$(value $(v))))
export CYTOSELF_NB_TRAIN := $(filter-out 0,$(TRAIN))
RUN   := $(BIN)/python -m cytoself_nb.pipeline --data "$$DATA" --profile "$$PROFILE" $${MASKS:+--masks "$$MASKS"} $${WEIGHTS:+--weights "$$WEIGHTS"} $(if $(filter-out 0,$(FORCE)),--force)

# `make test NO_NETWORK=1` refuses every connection, as on a machine without network
.PHONY: api reference docs figures check-figures test lab seeds ablations readme claims outputs notebooks clean help

figures: $(READY)       ## run the notebooks and draw every figure; PROFILE=demo DATA=folder MASKS=folder|none WEIGHTS=file SEED=0 ONLY=11,20 FORCE=1 JOBS=2 TRAIN=1
	$(RUN) --seed "$$SEED" $${ONLY:+--only "$$ONLY"} $${JOBS:+--jobs "$$JOBS"}

check-figures: $(READY) ## draw the figures of the long training again from the network that is kept, and compare their tables with figures/; 50 minutes
	$(BIN)/python docs/check_figures.py

test: $(READY)          ## all tests, the notebooks in the smoke profile among them
	$(BIN)/python -m pytest -q tests

# What Lab adds when it opens and saves a notebook is left out again, so that git sees changes of cells alone
lab: $(READY)           ## open JupyterLab on the index of the notebooks; LAB='--no-browser --port 8890'
	@if [ "$$(id -u)" = 0 ]; then echo 'You are root, as in many containers: JupyterLab is started with --allow-root.'; fi
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/nbs/index.ipynb \
	    --FileContentsManager.pre_save_hook=nbdev.clean.clean_jupyter $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(LAB)

seeds: $(READY)         ## train further seeds, then show them beside seed 0; DATA=yeast5 SEEDS=1,2
	$(RUN) --further-seeds "$$SEEDS"
	$(RUN) --seed 0

ablations: $(READY)     ## train the seven variants for seed 0 and SEEDS, the full network for seeds 0 to 4, an hour and a half for the simulated cells, then show them
	$(RUN) --ablations "0,$$SEEDS"
	$(RUN) --seed 0 --only 56

readme: $(READY)        ## write README.md from nbs/index.ipynb
	$(BIN)/jupyter nbconvert --log-level WARN --to markdown --stdout nbs/index.ipynb \
	    --RegexRemovePreprocessor.enabled=True --RegexRemovePreprocessor.patterns='#\| *hide' \
	    --TagRemovePreprocessor.enabled=True --TagRemovePreprocessor.remove_input_tags=hide-input \
	    | $(BIN)/python docs/readme.py > $(BIN)/../README.md
	cp $(BIN)/../README.md '$(README)'

claims: $(READY)        ## write CLAIMS.md from the claims tables beside the figures
	$(BIN)/python docs/claims.py

reference: $(READY)     ## draw the simulated cells that `where --reference simulated` asks; after a change of the network
	$(BIN)/python docs/reference.py

api: $(READY)           ## write docs/api.md, the page of public names
	$(BIN)/python docs/api.py

outputs: $(READY)       ## take the outputs of the last `make figures` into the notebooks; ONLY=56 RUN_FOLDER=runs/simulated-demo-0
	$(BIN)/python docs/outputs.py "$${RUN_FOLDER:-runs/$$DATA-$$PROFILE-$$SEED}" "$$ONLY"
	$(BIN)/python docs/pictures.py
	$(BIN)/nbdev-clean

# Sphinx and its theme stay out of .venv, and the notebooks' packages out of .venv-docs: nothing is run
docs: .venv-docs/ready  ## build the site into build/site from notebooks, pages and panels; a dead link is an error
	$(DOCS)/python docs/pages.py

notebooks: $(READY)     ## run the notebooks in place, so that their saved outputs are fresh
	$(BIN)/python docs/neighbors.py
	$(BIN)/python docs/layers.py
	$(BIN)/nbdev-export
	$(BIN)/nbdev-test --save --n-workers 0 --do-print --cell-timeout 0
	$(BIN)/python docs/pictures.py
	$(BIN)/nbdev-clean

clean:                  ## delete what runs leave behind; figures and .venv stay
	if [ -d runs ]; then find runs -mindepth 1 -maxdepth 1 ! -name folders.json ! -name '.*.masks' -exec rm -rf {} +; fi
	rm -rf build dist .pytest_cache *.egg-info

help:                   ## this list
	@sed -n 's/^\([a-z]*\):.*##/make \1\t/p' Makefile | expand -t 18

.venv-docs/ready: docs/theme/constraints.txt
	$(PYTHON) -m venv .venv-docs
	$(DOCS)/pip install -q --disable-pip-version-check -r docs/theme/constraints.txt
	@touch $@

$(READY): constraints.txt settings.ini setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "cytoself_nb needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another one: make PYTHON=python3.11 ..." % v[:2])'
	@echo 'Installing into .venv, once: some minutes ...'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
