# jadugar: build, install, test.  All generated files are in build/, except
# jadugar.so.  "make help" prints the next lines.
#
#: make                    build
#: make install            install (root, or DESTDIR=...); make uninstall removes it
#: make installcheck       test the installed extension on a running server
#: make test               test everything on private servers (TESTS='a b': these tests)
#: make check-SUITE        one suite: sql, isolation, tap, fuzz
#: make torture            ten minutes of killing: test/torture/README.md
#: make check-ubsan        all tests with undefined behaviour reported; also check-asan
#: make check-valgrind     the property test and SQL tests under memcheck
#: make fuzz-timing        ten minutes of libFuzzer on src/timing
#: make fuzz-sql           ten minutes of random calls of every function
#: make lint               check the project's rules, and that nothing warns
#: make format             lay out C code as pgindent does
#: make bench              benchmarks: bench/README.md
#: make demo               a private server at work; make demo-stop removes it
#: make prerequisites      install the packages that building and testing need
#: make clean              remove everything that was built
#:
#: PG_CONFIG=/usr/lib/postgresql/17/bin/pg_config   another server
#: V=1        whole commands        WERROR=1   warnings are errors

EXTENSION = jadugar
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" jadugar.control)
MODULE_big = jadugar
B = build

PG_CONFIG ?= pg_config
export PG_CONFIG TESTS

.DEFAULT_GOAL := all

# --- without a server ---------------------------------------------------------

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

prerequisites:
	@scripts/prerequisites -t $(PG_CONFIG)

# scripts/demo finds the server in its notes, so this needs no pg_config.
demo-stop:
	@scripts/demo stop

# These targets install missing packages, then start make again, because only a
# new make finds a server that was just installed.
SUITES = sql isolation tap fuzz
CHECKS = $(SUITES:%=check-%) check-ubsan check-asan check-valgrind
DOORS = test $(CHECKS) torture fuzz-timing fuzz-sql lint format bench demo

ifndef READY
test torture fuzz-sql $(CHECKS): NEEDS = -t
lint format: NEEDS = -l
check-valgrind fuzz-timing: NEEDS = -t -f

$(DOORS):
	@scripts/prerequisites $(NEEDS) $(PG_CONFIG)
	@$(MAKE) --no-print-directory $@ READY=1

ANYWHERE = $(DOORS)
endif
ANYWHERE += help prerequisites demo-stop

.PHONY: help prerequisites demo-stop $(DOORS)

ifneq ($(filter-out $(ANYWHERE),$(or $(MAKECMDGOALS),all)),)

# --- build and install --------------------------------------------------------

SERVER_HEADERS := $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
# The package of the client has pgxs.mk too, but no server headers.
ifeq ($(and $(PGXS),$(wildcard $(SERVER_HEADERS)/postgres.h)),)
$(error cannot find a PostgreSQL server with its headers by "$(PG_CONFIG)": \
	install postgresql-server-dev-NN ("make prerequisites" as root), or set \
	PG_CONFIG=/path/to/pg_config)
endif

SOURCES := $(sort $(filter-out src/http/%,$(wildcard src/*.c src/*/*.c src/*/*/*.c)))
# A library of its own, built where libcurl is.
HTTP_SOURCES := $(sort $(wildcard src/http/*.c))
HTTP_LIBRARY := $(if $(shell command -v curl-config),jadugar_http.so)
SQL_PARTS := $(addprefix sql/,$(shell cat sql/order))

OBJS = $(SOURCES:src/%.c=$(B)/obj/%.o)
DATA = $(sort $(wildcard sql/jadugar--*--*.sql))
DATA_built = $(B)/jadugar--$(EXTVERSION).sql
HTTP_OBJS = $(HTTP_SOURCES:src/%.c=$(B)/obj/%.o)
HEADERS_jadugar = $(wildcard src/include/jadugar_plugin.h)
EXTRA_CLEAN = $(B) jadugar_http.so

# As system headers, the server's headers cause no warnings.
PG_CPPFLAGS = -DJDG_VERSION=\"$(EXTVERSION)\" -Isrc -Isrc/include -isystem $(SERVER_HEADERS)
# Two warnings are off: loops compare int with lengthof(), which is unsigned,
# and initializers omit fields that are zero.
PG_CFLAGS = -std=gnu99 -Wall -Wextra -Wno-unused-parameter \
	-Wno-missing-field-initializers -Wno-sign-compare $(if $(WERROR),-Werror) \
	$(if $(findstring clang,$(CC)),$(CLANG_CFLAGS))
# Clang does not support all flags of a server built by gcc.
CLANG_CFLAGS = -Wno-unknown-warning-option -Wno-ignored-optimization-argument

# Bitcode would need the same version of clang that built the server.
override with_llvm := no

# make installcheck: the sql and isolation suites on a running server, without
# the tests that need a library of our own there, or max_prepared_transactions.
REGRESS = $(basename $(notdir $(shell grep -L sample_handler test/sql/*.sql)))
ISOLATION = $(basename $(notdir $(shell grep -L 'PREPARE TRANSACTION' test/specs/*.spec)))
REGRESS_PREP = installcheck-inputs
REGRESS_OPTS = $(call installcheck_options,sql)
ISOLATION_OPTS = $(call installcheck_options,isolation)
installcheck_options = --inputdir=$(B)/installcheck/$(1)/in --outputdir=$(B)/installcheck/$(1) \
	--load-extension=jadugar --encoding=UTF8 --no-locale

include $(PGXS)

installcheck-inputs:
	@for suite in sql isolation; do \
		test/inputs $$suite $(B)/installcheck/$$suite/in || exit; \
	done

# TAP_TESTS=1 adds the TAP scripts, which start private servers from the
# installed programs.
PROVE_FLAGS = -I test/t
PROVE_TESTS = $(shell grep -L sample_handler test/t/*/*.pl)
installcheck: export PGUSER ?= postgres

# Remove -I of the same directory, which would override -isystem.
override CPPFLAGS := $(filter-out -I$(includedir_server) -I$(includedir_internal),$(CPPFLAGS))

# Print one line per file: a recipe begins with $(call quietly,WORD,FILE).
SILENT := $(if $(V),,$(findstring s,$(firstword -$(MAKEFLAGS))))
quietly = $(if $(V),,@$(if $(SILENT),,printf '%-4s %s\n' $(1) $(2);))

# Objects are rebuilt when the compiler, its flags or the server change.
STAMP = $(B)/flags
BUILT_WITH = $(CC) $(CPPFLAGS) $(CFLAGS) $(shell $(PG_CONFIG) --version)

$(STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(BUILT_WITH))' | cmp -s - $@ || echo '$(subst ','\'',$(BUILT_WITH))' > $@

$(B)/obj/%.o: src/%.c $(STAMP)
	@mkdir -p $(@D)
	$(call quietly,CC,$<)$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d) $(HTTP_OBJS:.o=.d)

objects: $(OBJS)

# Relink also after a source was removed.
$(B)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJS)' | cmp -s - $@ || echo '$(OBJS)' > $@

jadugar.so: $(B)/objects

# PGXS has the rule; this only silences its command.
ifndef V
$(eval link_shared = $(value LINK.shared))
jadugar.so: private LINK.shared = $(if $(SILENT),,printf '%-4s %s\n' LD $@;) $(link_shared)
.SILENT: jadugar.so
endif

$(B)/jadugar--$(EXTVERSION).sql: $(SQL_PARTS) sql/order Makefile
	@mkdir -p $(@D)
	$(call quietly,SQL,$@){ printf '%s\n' '\echo Use "CREATE EXTENSION jadugar" to load this file. \quit'; \
	  cat /dev/null $(SQL_PARTS); } > $@

all: $(HTTP_LIBRARY)

jadugar_http.so: $(HTTP_OBJS)
	$(call quietly,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_SL) -shared -o $@ $(HTTP_OBJS) $(shell curl-config --libs) -lpthread

install: install-http
install-http: all
	$(if $(HTTP_LIBRARY),$(MKDIR_P) '$(DESTDIR)$(pkglibdir)' && $(INSTALL_SHLIB) $(HTTP_LIBRARY) '$(DESTDIR)$(pkglibdir)/',:)

# PGXS does not remove the directory of headers and scripts of earlier versions.
uninstall: uninstall-rest
uninstall-rest:
	rm -rf '$(DESTDIR)$(includedir_server)/$(incmoduledir)/jadugar'
	rm -f '$(DESTDIR)$(datadir)/extension/jadugar'--*.sql
	rm -f '$(DESTDIR)$(pkglibdir)/jadugar_http.so'

.PHONY: objects installcheck-inputs install-http uninstall-rest

# --- tests --------------------------------------------------------------------

# Libraries that tests load.
FIXTURES = $(patsubst test/fixtures/%.c,$(B)/fixtures/%.so,$(wildcard test/fixtures/*.c))

$(B)/fixtures/%.so: test/fixtures/%.c src/include/jadugar_plugin.h $(STAMP)
	@mkdir -p $(@D)
	$(call quietly,CC,$<)$(CC) $(CFLAGS) $(CPPFLAGS) -shared -o $@ $<

# Tests run against a private copy of the server: see test/README.md.
stage: all $(FIXTURES)
	@scripts/stage $(PG_CONFIG) $(B)/pg
	@$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/$(B)/pg >/dev/null
	@cp $(FIXTURES) $(B)/pg$(pkglibdir)/

# A second copy has fault points (base/fault.h).  Only files with fault points
# are compiled again.
FAULTY := $(shell grep -l -e JDG_FAULT -e jdg_fault_init $(SOURCES))
FAULT_OBJS = $(FAULTY:src/%.c=$(B)/faults/obj/%.o) \
	$(patsubst src/%.c,$(B)/obj/%.o,$(filter-out $(FAULTY),$(SOURCES)))

$(B)/faults/obj/%.o: src/%.c $(STAMP)
	@mkdir -p $(@D)
	$(call quietly,CC,'$< (fault points)')$(CC) $(CFLAGS) $(CPPFLAGS) -DJDG_FAULTS -MMD -MP -c -o $@ $<

-include $(FAULTY:src/%.c=$(B)/faults/obj/%.d)

$(B)/faults/jadugar.so: $(FAULT_OBJS) $(B)/objects
	$(call quietly,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_SL) -shared -o $@ $(FAULT_OBJS)

stage-faults: all $(FIXTURES) $(B)/faults/jadugar.so
	@scripts/stage $(PG_CONFIG) $(B)/faults/pg
	@$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/$(B)/faults/pg >/dev/null
	@cp $(FIXTURES) $(B)/faults/jadugar.so $(B)/faults/pg$(pkglibdir)/

fuzz:
	@$(MAKE) --no-print-directory -C test/fuzz timing_property breaker_property endpoint_property request_property

.PHONY: stage stage-faults fuzz

ifdef READY
test: stage stage-faults fuzz
	@test/run $(SUITES)

$(SUITES:%=check-%): check-%: stage
	@test/run $*

check-tap: stage-faults
check-fuzz: fuzz

torture: stage stage-faults
	@test/run torture

check-ubsan check-asan: check-%:
	@scripts/sanitize $*

# Valgrind is thirty times slower, so it runs only tests that do not depend on
# the clock.
PATIENT = access badinput context handlers queues retry schedules timing

check-valgrind:
	@$(MAKE) --no-print-directory -C test/fuzz memcheck
	@scripts/sanitize valgrind check-sql TESTS='$(or $(TESTS),$(PATIENT))'

FUZZ_SECONDS = 600
export FUZZ_SEED

fuzz-timing:
	@$(MAKE) --no-print-directory -C test/fuzz fuzz

fuzz-sql: stage
	@FUZZ_SECONDS=$(FUZZ_SECONDS) TEST_TIMEOUT=$$(($(FUZZ_SECONDS) + 120)) \
		TESTS=060_sqlfuzz test/run tap

# --- lint, demo, benchmarks ---------------------------------------------------

# Compile separate objects with -Werror, unless WERROR is set already.
lint:
	@$(MAKE) --no-print-directory -s objects WERROR=1 $(if $(WERROR),,B=$(B)/lint)
	@scripts/lint $(PG_CONFIG)

format:
	@scripts/format $(PG_CONFIG)

demo: stage
	@scripts/demo start $(B)/pg$(bindir)

# Compare jadugar with others: bench/README.md.  QUICK=1, ONLY="latency".
bench: bench-prerequisites all $(B)/bench/floor.so $(B)/bench/client $(B)/bench/consume \
	$(B)/bench/requests
	@scripts/stage $(PG_CONFIG) $(B)/bench/pg
	@$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/$(B)/bench/pg >/dev/null
	@cp $(B)/bench/floor.so $(B)/bench/pg$(pkglibdir)/jadugar_bench_floor.so
	@bench/run

bench-prerequisites:
	@bench/prerequisites $(PG_CONFIG)

.PHONY: bench-prerequisites
endif

$(B)/bench/floor.so: bench/floor/floor.c $(STAMP)
	@mkdir -p $(@D)
	$(call quietly,CC,$<)$(CC) $(CFLAGS) $(CPPFLAGS) -shared -o $@ $<

BENCH_LIBS = -lpq
$(B)/bench/requests: BENCH_LIBS = -lcurl
$(B)/bench/%: bench/client/%.c $(STAMP)
	@mkdir -p $(@D)
	$(call quietly,CC,$<)$(CC) $(CFLAGS) -I$(includedir) -o $@ $< -L$(libdir) $(BENCH_LIBS)

FORCE:
.PHONY: FORCE

endif
