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
WEIGHTS ?=
README  ?= README.md
LAB     ?=

BIN   := .venv/bin
READY := .venv/ready
RUN   := $(BIN)/python -m cytoself_nb.pipeline --data '$(DATA)' --profile '$(PROFILE)' $(if $(WEIGHTS),--weights '$(WEIGHTS)') $(if $(filter-out 0,$(FORCE)),--force)

# `make test NO_NETWORK=1` refuses every connection, as on a machine without network
.PHONY: api figures test lab seeds ablations readme claims notebooks clean help

figures: $(READY)       ## run the notebooks and draw every figure; PROFILE=demo DATA=simulated SEED=0 ONLY=11,20 FORCE=1 JOBS=2 WEIGHTS=file
	$(RUN) --seed '$(SEED)' $(if $(ONLY),--only '$(ONLY)') $(if $(JOBS),--jobs '$(JOBS)')

test: $(READY)          ## all tests, the notebooks in the smoke profile among them
	$(BIN)/python -m pytest -q tests

lab: $(READY)           ## open JupyterLab on the index of the notebooks; LAB='--no-browser --port 8890'
	@if [ "$$(id -u)" = 0 ]; then echo 'You are root, as in many containers: JupyterLab is started with --allow-root.'; fi
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/nbs/index.ipynb $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(LAB)

seeds: $(READY)         ## train further seeds, then show them beside seed 0; DATA=yeast5 SEEDS=1,2
	$(RUN) --further-seeds '$(SEEDS)'
	$(RUN) --seed 0

ablations: $(READY)     ## train the seven variants for seed 0 and SEEDS, one to two hours for the simulated cells, then show them
	$(RUN) --ablations '0,$(SEEDS)'
	$(RUN) --seed 0 --only 56

readme: $(READY)        ## write README.md from nbs/index.ipynb
	$(BIN)/jupyter nbconvert --log-level WARN --to markdown --stdout nbs/index.ipynb \
	    --RegexRemovePreprocessor.enabled=True --RegexRemovePreprocessor.patterns='#\| *hide' \
	    --TagRemovePreprocessor.enabled=True --TagRemovePreprocessor.remove_input_tags=hide-input \
	    | $(BIN)/python docs/readme.py > $(BIN)/../README.md
	cp $(BIN)/../README.md '$(README)'

claims: $(READY)        ## write CLAIMS.md from the claims tables beside the figures
	$(BIN)/python docs/claims.py

api: $(READY)           ## write docs/api.md, the page of public names
	$(BIN)/python docs/api.py

notebooks: $(READY)     ## run the notebooks in place, so that their saved outputs are fresh
	$(BIN)/python docs/neighbors.py
	$(BIN)/python docs/layers.py
	$(BIN)/nbdev-export
	$(BIN)/nbdev-test --save --n-workers 0 --do-print --cell-timeout 0
	$(BIN)/python docs/pictures.py
	$(BIN)/nbdev-clean

clean:                  ## delete what runs leave behind; figures and .venv stay
	rm -rf runs build dist .pytest_cache *.egg-info

help:                   ## this list
	@sed -n 's/^\([a-z]*\):.*##/make \1\t/p' Makefile | expand -t 18

$(READY): constraints.txt settings.ini setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "cytoself_nb needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another one: make PYTHON=python3.11 ..." % v[:2])'
	@echo 'Installing into .venv, once: some minutes ...'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
