# The front door. `make help` lists what there is; CMakeLists.txt has the build itself.
#
# Each task first calls ./setup, which installs what the task needs from Debian's packages and is silent where
# all is there.

# Else each make that is started from here, those of cmake too, tells which folders it enters and leaves.
MAKEFLAGS += --no-print-directory

BUILD  := build
PREFIX ?= /usr/local
ARGS   ?=
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)

# The program that `make run` runs, and options for `freehold run`:
#     make run PROG="./server --port 80" OPTIONS=--json
# The program of ours is run with PYTHONMALLOC=malloc: then Python takes each object from malloc by itself, and
# there is more to see than the large pieces that it takes otherwise.
PROG    ?=
OPTIONS ?=
PYTHON       := $(firstword $(wildcard /usr/bin/python3) python3)
DEFAULT_PROG := $(PYTHON) examples/words.py README.md docs src include

# Which tests:  make test ONLY=heap   (a regular expression on names)      make test LABEL=lint
ONLY  ?=
LABEL ?=

CMAKE_BUILD := cmake --build $(BUILD) --parallel $(JOBS)

# Which rows, how many rounds, and other options of bench/run:  make bench ROWS='list*,git' ROUNDS=7 ARGS="--lib x=y.so"
# Without ROWS the tables and the chart of docs/bench are made anew.
ROWS   ?=
ROUNDS ?=
ARGS   ?=

.PHONY: all run test bench install soak fuzz coverage analyze mutants format lint clean help

all:
	@./setup build
	@$(MAKE) library

# Configured once with the tests off; `make test` turns them on and they stay on.
$(BUILD)/CMakeCache.txt:
	@cmake -S . -B $(BUILD) -DFREEHOLD_TESTS=OFF

.PHONY: library
library: $(BUILD)/CMakeCache.txt
	@$(CMAKE_BUILD) --target freehold_products

run:
	@./setup $(if $(PROG),build,run)
	@mkdir -p $(BUILD)
	@test -x $(BUILD)/freehold || echo "building Freehold"
	@$(MAKE) library >$(BUILD)/make.log 2>&1 || { cat $(BUILD)/make.log; exit 1; }
	$(if $(PROG),,PYTHONMALLOC=malloc )$(BUILD)/freehold run $(OPTIONS) -- $(or $(PROG),$(DEFAULT_PROG))

test:
	@./setup test
	@cmake -S . -B $(BUILD) -DFREEHOLD_TESTS=ON
	@tests/run --ask $(BUILD) "$(ONLY)" "$(LABEL)"
	@$(CMAKE_BUILD)
	@tests/run $(BUILD) "$(ONLY)" "$(LABEL)"

bench:
	@./setup bench
	@$(MAKE) library
	@bench/run --build $(BUILD) $(if $(ROWS),--rows "$(ROWS)",--out docs/bench) $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

# The loader finds new libraries in /usr/local/lib only after ldconfig.
install:
	@./setup build
	@$(MAKE) library
	@cmake --install $(BUILD) --prefix "$(PREFIX)"
	@test -n "$(DESTDIR)" || test "$$(id -u)" != 0 || ! command -v ldconfig >/dev/null || ldconfig

format:
	@./setup test
	@tests/lint/format.sh --fix

lint:
	@$(MAKE) test LABEL=lint

# The pictures in README.md, of what really happens.
.PHONY: pictures
pictures:
	@./setup run
	@$(MAKE) library
	@PYTHONMALLOC=malloc docs/picture.py docs/run.svg "$$ make run" $(BUILD)/freehold run -- $(DEFAULT_PROG)

# Long runs, beyond what `make test` takes time for. Each script says which variables it heeds: TIME, MINUTES ...
ifneq ($(wildcard tests/soak/run),)
soak:
	@./setup test
	@$(MAKE) library
	@tests/soak/run
endif
ifneq ($(wildcard tests/fuzz/run),)
fuzz:
	@./setup fuzz
	@tests/fuzz/run
endif

coverage:
	@./setup test
	@tests/coverage/run $(ARGS)

analyze:
	@./setup analyze
	@tests/analyze/run.py

mutants:
	@$(MAKE) test ONLY='^trust\.mutants_all$$'

clean:
	@rm -rf $(BUILD)

help:
	@echo "make                      build build/libfreehold.so, build/libfreehold.a and build/freehold"
	@echo "make run                  run a small Python program on the heap and show its memory"
	@echo "make run PROG=\"prog args\" the same with a program of yours; OPTIONS=\"...\" for freehold run"
	@echo "make test                 all tests; ONLY=regex for some by name, LABEL=label by label"
	@echo "make bench                against glibc, jemalloc, tcmalloc and mimalloc"
	@echo "make bench ROWS='list*'   some rows only, to the terminal; ROUNDS=5 for more runs of each"
	@echo "make install              to PREFIX=/usr/local, below DESTDIR if given"
	@echo "make fuzz                 looks for programs that the heap gets wrong; TIME=600 seconds, ENGINE=afl"
	@echo "make soak                 half an hour of a program that must not grow; MINUTES=5"
	@echo "make analyze              GCC's and clang's analyzers, and cppcheck"
	@echo "make coverage             which lines and branches the tests run; ARGS=--missed shows the others"
	@echo "make mutants              deliberate faults in the library, each of which some test must catch"
	@echo "make lint, make format    check the code's layout and habits; put the layout right"
	@echo "make clean                remove build/"
