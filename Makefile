# jadugar: build, install, test, lint.  Everything generated lies under build/,
# save jadugar.so.  Another server: make PG_CONFIG=/path/to/pg_config.

EXTENSION = jadugar
EXTVERSION = 1.0
MODULE_big = jadugar

B = build
SOURCES := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
SQL_PARTS := $(sort $(wildcard sql/[0-9]*.sql))

OBJS = $(SOURCES:src/%.c=$(B)/obj/%.o)
DATA = $(sort $(wildcard sql/jadugar--*--*.sql))
DATA_built = $(B)/jadugar--$(EXTVERSION).sql
HEADERS_jadugar = $(wildcard src/include/jadugar_plugin.h)

# The server's headers count as system headers: their warnings are not ours.
PG_CONFIG = pg_config
PG_CPPFLAGS = -Isrc -Isrc/include -isystem $(shell $(PG_CONFIG) --includedir-server)
# Off: lengthof() is unsigned in every loop, and what is not named is zero.
WARNINGS = -std=gnu99 -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-missing-field-initializers -Wno-sign-compare
PG_CFLAGS = $(WARNINGS)
EXTRA_CLEAN = $(B)

# Bitcode would need the very clang that the server was built with.
override with_llvm := no

PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
# What may install packages does so before there is a pg_config to ask.
ifeq ($(PGXS),)
ifneq ($(filter demo test torture bench check-% fuzz-%,$(MAKECMDGOALS)),)
$(info $(shell scripts/prerequisites $(PG_CONFIG)))
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
endif
endif
ifeq ($(PGXS),)
$(error $(PG_CONFIG) not found: install postgresql-server-dev-NN, or set PG_CONFIG)
endif
include $(PGXS)

# The same directory given by -I would win over -isystem.
override CPPFLAGS := $(filter-out -I$(includedir_server) -I$(includedir_internal),$(CPPFLAGS))

.DEFAULT_GOAL := all

# Objects are made anew when the compiler, its flags or the server change.
STAMP = $(B)/flags
BUILT_WITH = $(CC) $(CPPFLAGS) $(CFLAGS) $(shell $(PG_CONFIG) --version)

$(STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(BUILT_WITH))' | cmp -s - $@ || echo '$(subst ','\'',$(BUILT_WITH))' > $@

$(B)/obj/%.o: src/%.c $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d)

# Relinks also when a source has gone.
$(B)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJS)' | cmp -s - $@ || echo '$(OBJS)' > $@

jadugar.so: $(B)/objects

$(B)/jadugar--$(EXTVERSION).sql: $(SQL_PARTS) Makefile
	@mkdir -p $(@D)
	{ printf '%s\n' '\echo Use "CREATE EXTENSION jadugar" to load this file. \quit'; \
	  cat /dev/null $(SQL_PARTS); } > $@

# Libraries that tests load.
FIXTURES = $(patsubst test/fixtures/%.c,$(B)/fixtures/%.so,$(wildcard test/fixtures/*.c))

$(B)/fixtures/%.so: test/fixtures/%.c src/include/jadugar_plugin.h $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -shared -o $@ $<

# Tests run against a private copy of the server: see test/README.md.
# One suite: make check-sql; some tests of it: make check-sql TESTS='a b'.
stage: all $(FIXTURES)
	scripts/stage $(PG_CONFIG) $(B)/pg
	$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/$(B)/pg >/dev/null
	cp $(FIXTURES) $(B)/pg$(pkglibdir)/

# The same with fault points (base/fault.h), beside it.  Only what has fault
# points is compiled anew.
FAULTY := $(shell grep -l -e JDG_FAULT -e jdg_fault_init $(SOURCES))
FAULT_OBJS = $(FAULTY:src/%.c=$(B)/faults/obj/%.o) \
	$(patsubst src/%.c,$(B)/obj/%.o,$(filter-out $(FAULTY),$(SOURCES)))

$(B)/faults/obj/%.o: src/%.c $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -DJDG_FAULTS -MMD -MP -c -o $@ $<

-include $(FAULTY:src/%.c=$(B)/faults/obj/%.d)

$(B)/faults/jadugar.so: $(FAULT_OBJS) $(B)/objects
	$(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_SL) -shared -o $@ $(FAULT_OBJS)

stage-faults: all $(FIXTURES) $(B)/faults/jadugar.so
	scripts/stage $(PG_CONFIG) $(B)/faults/pg
	$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/$(B)/faults/pg >/dev/null
	cp $(FIXTURES) $(B)/faults/jadugar.so $(B)/faults/pg$(pkglibdir)/

fuzz:
	@[ ! -e test/fuzz/Makefile ] || \
		$(MAKE) --no-print-directory -C test/fuzz timing_property

SUITES = sql isolation tap fuzz
export PG_CONFIG TESTS

test: prerequisites stage stage-faults fuzz
	@test/run $(SUITES)

check-fuzz: fuzz
$(SUITES:%=check-%): check-%: prerequisites stage
	@test/run $*

check-tap: stage-faults

# Kills and breaks everything under load for MINUTES, or ROUNDS times:
# test/torture/README.md.
torture: prerequisites stage stage-faults
	@test/run torture

prerequisites:
	@scripts/prerequisites $(PG_CONFIG)

lint:
	@scripts/prerequisites -l $(PG_CONFIG)
	@scripts/lint $(PG_CONFIG)

format:
	@scripts/prerequisites -l $(PG_CONFIG)
	@scripts/format $(PG_CONFIG)

# demo waits for its packages before it builds; demo-stop needs no build.
demo: prerequisites stage
	@scripts/demo start $(B)/pg$(shell $(PG_CONFIG) --bindir)

demo-stop:
	@scripts/demo stop $(B)/pg$(shell $(PG_CONFIG) --bindir)

# Beside its peers and its floors: bench/README.md.  QUICK=1, ONLY="latency".
$(B)/bench/floor.so: bench/floor/floor.c $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -shared -o $@ $<

$(B)/bench/%: bench/client/%.c $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -I$(includedir) -o $@ $< -L$(libdir) -lpq

bench-prerequisites:
	@bench/prerequisites $(PG_CONFIG)

bench: bench-prerequisites all $(B)/bench/floor.so $(B)/bench/client $(B)/bench/consume
	scripts/stage $(PG_CONFIG) $(B)/bench/pg
	$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/$(B)/bench/pg >/dev/null
	cp $(B)/bench/floor.so $(B)/bench/pg$(pkglibdir)/jadugar_bench_floor.so
	@bench/run

# What watches while the tests run, and what makes up tests: test/README.md.
check-ubsan check-asan: check-%: prerequisites
	@scripts/sanitize $*

# Thirty times slower: only tests that no clock drives.
PATIENT = access badinput context handlers queues retry schedules timing

check-valgrind:
	@scripts/prerequisites -f $(PG_CONFIG)
	@$(MAKE) --no-print-directory -C test/fuzz memcheck
	@scripts/sanitize valgrind check-sql TESTS='$(or $(TESTS),$(PATIENT))'

fuzz-timing:
	@scripts/prerequisites -f $(PG_CONFIG)
	@$(MAKE) --no-print-directory -C test/fuzz fuzz

FUZZ_SECONDS = 600
export FUZZ_SEED

fuzz-sql: prerequisites stage
	@FUZZ_SECONDS=$(FUZZ_SECONDS) TEST_TIMEOUT=$$(($(FUZZ_SECONDS) + 120)) \
		TESTS=060_sqlfuzz test/run tap

FORCE:

.PHONY: check-ubsan check-asan check-valgrind fuzz-timing fuzz-sql
.PHONY: bench bench-prerequisites stage stage-faults torture fuzz test $(SUITES:%=check-%) prerequisites lint format demo demo-stop FORCE
