# maplog: `make` builds build/release/{maplog,maplog-lab,libmaplog.so,libmaplog.a}, `make help` lists
# the rest.
# Every src/*/*.c and src/broker/api/*.c is picked up by itself: src/cmd is the program, all other
# folders the library, but for src/lab, which is maplog-lab.

VERSION := 0.2.0
SONAME := libmaplog.so.0
BUILD ?= release
OUT ?= build/$(BUILD)
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
UNITDIR ?= $(PREFIX)/lib/systemd/system
RULESDIR ?= $(PREFIX)/lib/udev/rules.d
STRIP ?= strip
FUZZ_SECONDS ?= 60
WERROR ?= -Werror
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := gcc
endif

# As many jobs as there are CPUs, unless -j says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- flags -----------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
    -Wno-missing-field-initializers $(WERROR)
# gcc warns of variables without a value where only a sanitizer's code lies between; clang has no
# such warning.
SANITIZE := -O1 -fno-omit-frame-pointer -Wno-unknown-warning-option -Wno-maybe-uninitialized
ifeq ($(BUILD),release)
# No -flto: measured, it makes the shared library 25 % smaller and its appends 10 % slower.
# A section each: the shared library leaves out what only the program uses. C needs no unwind tables
# (debuggers have their own), and packed relocations are a fifteenth of the others: together they
# make the program a fifth smaller.
MODE := -O2 -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
# Without a page of padding around its code it is 4 KB smaller still.
DISCARD := -Wl,--gc-sections -Wl,-z,pack-relative-relocs -Wl,-z,noseparate-code
# What runs for each record or system call is made for speed, all else for size.
HOT := $(patsubst %,src/base/%.c,arena crc32c histogram lines murmur2) \
    src/wire/decode.c $(wildcard src/log/record*.c) \
    $(patsubst %,src/io/%.c,engine epoll ready sender sender_file sockets transfer) \
    $(patsubst %,src/log/%.c,appender batch builder index indexer producers reader segment \
    segment_cache slice validate) $(patsubst %,src/client/%.c,consumer lane linger producer) \
    src/cmd/drain_loop.c src/cmd/line_methods.c src/cmd/load_lines.c src/os/clock.c src/os/futex.c \
    src/shm/lease.c src/shm/ring_reader.c \
    $(wildcard src/lab/*.c)
COLD := $(filter-out $(HOT),$(wildcard src/*/*.c src/*/*/*.c))
$(COLD:%.c=$(OUT)/%.o): private MODE += -Oz
else ifeq ($(BUILD),debug)
MODE := -O0 -fno-omit-frame-pointer
else ifeq ($(BUILD),asan)
MODE := $(SANITIZE) -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(BUILD),tsan)
MODE := $(SANITIZE) -fsanitize=thread
else ifeq ($(BUILD),fuzz)
CC := clang
MODE := $(SANITIZE) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
else
$(error BUILD is release, debug, asan, tsan or fuzz, not "$(BUILD)")
endif
# What only a mistake in the caller's program can break is looked at (src/base/contract.h).
ifneq ($(BUILD),release)
MODE += -DMAPLOG_CONTRACTS
endif
# The engine on io_uring is there when liburing is; `make URING=` builds without it.
ifeq ($(origin URING),undefined)
URING := $(shell $(PKG_CONFIG) --exists liburing && echo yes)
endif
LIB_PACKAGES := $(if $(STATIC),,libisal) liblz4 libzstd snappy zlib
ifdef STATIC
MODE += -DCRC32C_ALONE
DISCARD += -static
STATIC_LIBS := -lstdc++ -lm
endif
# Empty until tools/install-dependencies has run on a fresh machine; recipes expand it later.
pc = $(shell $(PKG_CONFIG) --silence-errors $(1))
ALL_CFLAGS = -std=gnu17 -Iinclude -Isrc -I$(OUT)/gen -D_GNU_SOURCE \
    -DMAPLOG_VERSION_TEXT='"$(VERSION)"' $(WARNINGS) -g $(MODE) -fPIC -fvisibility=hidden -pthread \
    $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(MODE) $(DISCARD) -pthread -Wl,-z,now -Wl,-z,relro $(LDFLAGS)
LIBS = $(call pc,--libs $(LIB_PACKAGES))
# What the engines use beside that; there are none in libmaplog.so.
IO_LIBS = $(if $(URING),$(call pc,--libs liburing))
CMD_LIBS = $(call pc,--libs jansson)
TEST_LIBS = $(call pc,--libs cmocka jansson)

# ---- what there is ---------------------------------------------------------------------------------
MAP := src/client/maplog.map
objects = $(patsubst %.c,$(OUT)/%.o,$(1))
programs = $(patsubst %.c,$(OUT)/%,$(1))
CMD_SOURCES := $(wildcard src/cmd/*.c)
LEFT_OUT := $(if $(URING),$(wildcard src/*/*_absent.c),$(addprefix src/io/,uring.c uring_ring.c uring_send.c uring_stream.c) \
    src/lab/append_ring.c)
LAB_SOURCES := $(filter-out $(LEFT_OUT),$(wildcard src/lab/*.c))
LIB_SOURCES := $(filter-out $(CMD_SOURCES) $(LEFT_OUT) src/lab/%,$(wildcard src/*/*.c src/broker/api/*.c))
CMD_OBJECTS := $(call objects,$(CMD_SOURCES))
LIB_OBJECTS := $(call objects,$(LIB_SOURCES)) $(OUT)/gen/wire/messages.o
# X_test.c is a cmocka program; what tests or benchmarks share lies in their support/ folder.
# Those of tests/driver run in a virtual machine.
DRIVER_SOURCES := $(wildcard tests/driver/*_test.c)
TEST_SOURCES := $(filter-out $(if $(URING),,tests/unit/io/uring_test.c) $(DRIVER_SOURCES),\
    $(wildcard tests/*/*_test.c tests/*/*/*_test.c tests/*/*/*/*_test.c))
TSAN_SOURCES := $(filter tests/unit/shm/% tests/unit/log/% tests/unit/broker/% tests/unit/server/% \
    tests/unit/io/% tests/shm/% tests/engine/%,$(TEST_SOURCES))
TESTS := $(call programs,$(if $(filter tsan,$(BUILD)),$(TSAN_SOURCES),$(TEST_SOURCES)))
BENCHES := $(call programs,$(wildcard bench/*.c))
EXAMPLES := $(call programs,$(wildcard examples/*.c))
DRIVER_PROGRAMS := $(if $(filter x86_64,$(shell uname -m)),$(OUT)/maplog-static \
    $(OUT)/tests/driver/leave $(call programs,$(DRIVER_SOURCES)))
FUZZERS := $(call programs,$(wildcard tests/fuzz/*.c))
TEST_SUPPORT := $(call objects,$(wildcard tests/support/*.c))
CMD_PARTS := $(call objects,$(filter-out src/cmd/main.c,$(CMD_SOURCES)))
LAB_PARTS := $(call objects,$(filter-out src/lab/main.c,$(LAB_SOURCES)))
BENCH_SUPPORT := $(call objects,$(wildcard bench/support/*.c))

.PHONY: all tests fuzzers example-programs driver-programs run examples test static long clients \
    bench peers fuzz tidy driver driver-modules driver-install driver-test format abi deb docs install \
    uninstall clean help
.DELETE_ON_ERROR:
.SECONDARY:
all: $(OUT)/maplog $(OUT)/maplog-lab $(OUT)/libmaplog.so $(OUT)/libmaplog.a $(if $(filter release,$(BUILD)),$(OUT)/installed/libmaplog.a)
	@:
tests: $(TESTS)
	@:
fuzzers: $(FUZZERS)
	@:
example-programs: $(EXAMPLES)
	@:
driver-programs: $(DRIVER_PROGRAMS)
	@:

# ---- how it is built -------------------------------------------------------------------------------
# Objects depend on $(OUT)/flags, which changes when the compiler or a flag does.
FLAGS_NOW = $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(IO_LIBS)
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@echo "$(subst ",\",$(FLAGS_NOW))" | cmp -s - $@ || echo "$(subst ",\",$(FLAGS_NOW))" >$@
FORCE:

COMPILE = @mkdir -p $(@D); echo "  CC   $@"; $(CC) $(ALL_CFLAGS) -MMD -MP
LINK = @echo "  LINK $@"; $(CC) $(ALL_LDFLAGS)

# Kafka's messages: structs and tables, both made from the schema.
MESSAGES := $(OUT)/gen/wire/messages
$(MESSAGES).h: PART := header
$(MESSAGES).c: PART := source
$(MESSAGES).h $(MESSAGES).c: src/wire/schema.txt tools/wiregen
	@mkdir -p $(@D); echo "  GEN  $@"; awk -f tools/wiregen part=$(PART) $< >$@

$(OUT)/%.o: %.c $(OUT)/flags | $(MESSAGES).h
	$(COMPILE) -c -o $@ $<

$(MESSAGES).o: $(MESSAGES).c $(OUT)/flags | $(MESSAGES).h
	$(COMPILE) -c -o $@ $<

$(OUT)/libmaplog.a: $(LIB_OBJECTS)
	@echo "  AR   $@"; rm -f $@; ar rcs $@ $^

# The archive that is installed: one object in which only the public names are global, so that ours
# (error_set, slice_find ...) never meet a program's. It does without ISA-L: Debian has none to link
# statically.
PUBLIC = $(shell sed -n 's/^ *\(maplog_[a-z_]*\);.*/-Wl,-u,\1/p' $(MAP))
$(OUT)/installed/crc32c.o: src/base/crc32c.c $(OUT)/flags
	$(COMPILE) -DCRC32C_ALONE -c -o $@ $<

$(OUT)/installed/libmaplog.a: $(OUT)/installed/crc32c.o $(OUT)/libmaplog.a $(MAP)
	@echo "  AR   $@"; rm -f $@
	@$(CC) -r -nostdlib -o $(@D)/maplog.o $(PUBLIC) $(wordlist 1,2,$^)
	@objcopy --localize-hidden $(@D)/maplog.o
	@ar rcsD $@ $(@D)/maplog.o

$(OUT)/libmaplog.so: $(LIB_OBJECTS) $(MAP)
	$(LINK) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$(MAP) -o $@ $(LIB_OBJECTS) $(LIBS)
	@ln -sf libmaplog.so $(OUT)/$(SONAME)

$(OUT)/maplog: $(CMD_OBJECTS) $(OUT)/libmaplog.a
	$(LINK) -o $@ $^ $(LIBS) $(IO_LIBS) $(CMD_LIBS) $(STATIC_LIBS)

# The same objects in one file, for a machine without libraries; of ISA-L there is no archive.
$(OUT)/maplog-static: $(OUT)/installed/crc32c.o $(CMD_OBJECTS) $(OUT)/libmaplog.a
	$(LINK) -static -s -o $@ $^ $(filter-out -lisal,$(LIBS)) $(IO_LIBS) $(CMD_LIBS) -lstdc++ -lm

$(OUT)/maplog-lab: $(OUT)/src/lab/main.o $(LAB_PARTS) $(CMD_PARTS) $(OUT)/libmaplog.a
	$(LINK) -o $@ $^ $(LIBS) $(IO_LIBS) $(CMD_LIBS) -lm $(STATIC_LIBS)

$(OUT)/tests/%_test: $(OUT)/tests/%_test.o $(TEST_SUPPORT) $(OUT)/libmaplog.a
	$(LINK) -o $@ $^ $(LIBS) $(IO_LIBS) $(TEST_LIBS)

$(OUT)/tests/unit/cmd/%_test: $(OUT)/tests/unit/cmd/%_test.o $(TEST_SUPPORT) $(CMD_PARTS) \
    $(OUT)/libmaplog.a
	$(LINK) -o $@ $^ $(LIBS) $(IO_LIBS) $(TEST_LIBS)

$(OUT)/tests/unit/lab/%_test: $(OUT)/tests/unit/lab/%_test.o $(TEST_SUPPORT) $(LAB_PARTS) \
    $(CMD_PARTS) $(OUT)/libmaplog.a
	$(LINK) -o $@ $^ $(LIBS) $(IO_LIBS) $(TEST_LIBS) -lm

$(OUT)/tests/driver/leave: $(OUT)/tests/driver/leave.o
	$(LINK) -o $@ $^

$(OUT)/tests/fuzz/%: $(OUT)/tests/fuzz/%.o $(OUT)/libmaplog.a
	$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS)

$(OUT)/bench/%: $(OUT)/bench/%.o $(BENCH_SUPPORT) $(OUT)/libmaplog.a
	$(LINK) -o $@ $(filter %.o,$^) $(OUT)/libmaplog.a $(LIBS) $(IO_LIBS)

$(OUT)/bench/lines $(OUT)/bench/load: $(OUT)/src/cmd/line_methods.o
$(OUT)/bench/drain: $(OUT)/tests/support/ring_kernel.o \
    $(patsubst %,$(OUT)/src/cmd/%.o,drain_loop far_producer meter report ring_device)
$(foreach name,load fetch produce roundtrip connections partitions start,$(OUT)/bench/$(name)): \
    | $(OUT)/maplog

$(OUT)/examples/%: $(OUT)/examples/%.o $(OUT)/libmaplog.a
	$(LINK) -o $@ $(filter %.o,$^) $(OUT)/libmaplog.a $(LIBS) $(IO_LIBS)

# Those that look inside.
$(OUT)/examples/tail: $(addprefix $(OUT)/src/cmd/,far_consumer.o far_batches.o)
$(OUT)/examples/echo_server $(OUT)/examples/file_server: $(OUT)/examples/support/door.o
$(OUT)/examples/count_words: $(OUT)/examples/support/words.o

-include $(wildcard $(OUT)/*/*.d $(OUT)/*/*/*.d $(OUT)/*/*/*/*.d $(OUT)/*/*/*/*/*.d)

# ---- what one does with it -------------------------------------------------------------------------
run: ## install what is missing, build, show a text file going through ./data, and serve it
	@tools/install-dependencies build
	@$(MAKE) --no-print-directory all
	@tools/tour $(OUT)/maplog

examples: ## install what is missing, build the programs of docs/cookbook.md into build/release/examples
	@tools/install-dependencies build
	+@$(MAKE) --no-print-directory example-programs

part = $(MAKE) --no-print-directory BUILD=$(1) OUT=build/$(1)
# The sanitizers' programs too: servers that tests attack.
TEST_BUILDS = $(call part,release) all tests example-programs driver-programs && \
    $(call part,asan) all tests && $(call part,tsan) all tests && $(call part,fuzz) fuzzers
BROKEN = { echo "0 passed, 1 failed, 0 skipped"; exit 1; }

test: ## every test that ends within minutes; the last line is "N passed, N failed, N skipped"
	+@tools/install-dependencies build test && $(TEST_BUILDS) || $(BROKEN)
	+@tools/install-python || $(BROKEN)
	@tools/install-clients || true
	@tools/install-dependencies driver || true
	@tests/run

static: ## build/static/maplog and maplog-lab: programs of one file each, for any Linux of this CPU
	+@$(MAKE) --no-print-directory OUT=build/static STATIC=1 build/static/maplog build/static/maplog-lab

long: ## the same and the slow sets: long runs, models, fuzzing for FUZZ_SECONDS each
	+@tools/install-dependencies build test packages long && $(TEST_BUILDS) || $(BROKEN)
	+@tools/install-python || $(BROKEN)
	@tools/install-clients || true
	@tools/install-dependencies driver || true
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run --long

clients: ## real Kafka clients of other languages against the server; fetches them by their own tools
	+@tools/install-dependencies build test && $(call part,release) all || $(BROKEN)
	@tools/install-clients || true
	@tests/run --clients

bench: $(BENCHES) ## every benchmark, "name value unit roof ratio" a line; JSON=1 for JSON
	@set -e; for b in $(BENCHES); do $$b $(if $(JSON),--json); done

peers: ## beside what others would pick, an hour and a half, into docs/; QUICK=1: 15 minutes, into build/peers/results
	+@tools/install-dependencies build peers && $(call part,release) all build/release/bench/sendfile
	@bench/peers/run $(if $(QUICK),--quick,--docs) $(PEERS)

fuzz: ## every fuzz target for FUZZ_SECONDS; what they find stays in build/fuzz/found
	@tools/install-dependencies build test
	+@$(call part,fuzz) fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run --fuzz

tidy: $(OUT)/libmaplog.so ## layers, banned calls, sizes, exports, formatting
	@tools/tidy --library $(OUT)/libmaplog.so

# ---- the kernel module -------------------------------------------------------------------------------
# Built beside copies of its sources: Kbuild leaves what it makes where they lie.
KERNEL ?= $(shell uname -r)
MODULE_TREE := build/driver/$(KERNEL)
kbuild = $(MAKE) --no-print-directory -C /lib/modules/$(KERNEL)/build M=$(CURDIR)/$(MODULE_TREE)/$(1) \
    $(2) modules

driver: ## build/driver/KERNEL/driver/maplog.ko, for the running kernel or KERNEL=RELEASE
	@test -d /lib/modules/$(KERNEL)/build || { echo >&2 \
	    "There are no headers of kernel $(KERNEL) (linux-headers-$(KERNEL)); KERNEL= names another one."; \
	    exit 1; }
	@mkdir -p $(MODULE_TREE)/driver $(MODULE_TREE)/src/shm
	@cp -pu driver/Kbuild $(filter-out %.mod.c,$(wildcard driver/*.[ch])) $(MODULE_TREE)/driver
	@cp -pu src/shm/ring_layout.h $(MODULE_TREE)/src/shm
	+@$(call kbuild,driver)

DKMS_TREE = $(DESTDIR)/usr/src/maplog-$(VERSION)
driver-install: ## the module's sources into /usr/src/maplog-VERSION, for dkms, under DESTDIR
	install -d $(DKMS_TREE)/driver $(DKMS_TREE)/src/shm
	install -m 644 driver/Kbuild driver/Makefile driver/COPYING driver/README.md \
	    $(filter-out %.mod.c,$(wildcard driver/*.[ch])) $(DKMS_TREE)/driver
	install -m 644 src/shm/ring_layout.h $(DKMS_TREE)/src/shm
	$(call placed,driver/dkms.conf,$(DKMS_TREE)/dkms.conf)

driver-modules: driver
	@mkdir -p $(MODULE_TREE)/tests/driver/modules
	@cp -pu tests/driver/modules/* $(MODULE_TREE)/tests/driver/modules
	@cp -pu tests/driver/emitted.h $(MODULE_TREE)/tests/driver
	+@$(call kbuild,tests/driver/modules,KBUILD_EXTRA_SYMBOLS=$(CURDIR)/$(MODULE_TREE)/driver/Module.symvers)

driver-test: ## the kernel module, in a virtual machine: installs what is missing, builds, boots, tests
	@tools/install-dependencies build || $(BROKEN)
	@tools/install-dependencies driver || true
	+@$(call part,release) driver-programs || $(BROKEN)
	@tests/driver/run || { [ $$? = 77 ] && echo "0 passed, 0 failed, 1 skipped"; }

format: ## put every C file into the form of .clang-format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

abi: $(OUT)/libmaplog.so ## compare libmaplog with that of the last tag: what was there must stay as it was
	@tools/abi $(OUT)/libmaplog.so

docs: ## HTML of the documents and man pages in build/docs, with a search, to read from the disk
	@tools/install-dependencies docs
	@tools/site build/docs

deb: ## Debian packages in build/deb: maplog, libmaplog0, libmaplog-dev, python3-maplog
	@tools/install-dependencies build packages
	@tools/deb

# ---- install ---------------------------------------------------------------------------------------
# Every file that is installed has its line here; uninstall removes these and the folders that are
# maplog's alone.
HEADERS := $(wildcard include/*.h include/*.hpp)
MAN_PAGES := $(wildcard man/*.1 man/*.3)
UNITS := maplog.service maplog-drain.service
# Those that need nothing but the library.
PUBLIC_EXAMPLES := $(shell grep -Ls '^ *\# *include "' examples/*.c examples/*.cpp)
man_file = share/man/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))
IN_PREFIX := bin/maplog libexec/maplog/maplog-lab share/bash-completion/completions/maplog \
    lib/sysusers.d/maplog.conf share/doc/maplog/server.properties \
    $(foreach page,$(MAN_PAGES),$(call man_file,$(page))) \
    $(addprefix share/doc/maplog/,$(PUBLIC_EXAMPLES))
IN_LIBDIR := libmaplog.a libmaplog.so $(SONAME) libmaplog.so.$(VERSION) pkgconfig/maplog.pc \
    cmake/maplog/maplog-config.cmake cmake/maplog/maplog-config-version.cmake
OWN_FOLDERS = $(PREFIX)/libexec/maplog $(PREFIX)/share/doc/maplog/examples \
    $(PREFIX)/share/doc/maplog $(LIBDIR)/cmake/maplog
INSTALLED = $(addprefix $(PREFIX)/,$(IN_PREFIX)) $(addprefix $(LIBDIR)/,$(IN_LIBDIR)) \
    $(addprefix $(INCLUDEDIR)/,$(notdir $(HEADERS))) \
    $(addprefix $(UNITDIR)/,$(UNITS)) $(RULESDIR)/60-maplog.rules
PROGRAM := install -D -m 755
DATA := install -D -m 644
# The places that a file names, put in. What lies below PREFIX is said relative to it, so that the
# whole can be moved.
from_cmake = $(shell realpath -m --relative-to=$(LIBDIR)/cmake/maplog $(1))
PLACES = sed -e 's|@VERSION@|$(VERSION)|; s|@SONAME@|$(SONAME)|; s|@PREFIX@|$(PREFIX)|' \
    -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
    -e 's|@FROM_CMAKE_TO_INCLUDE@|$(call from_cmake,$(INCLUDEDIR))|' \
    -e 's|^ExecStart=maplog|ExecStart=$(PREFIX)/bin/maplog|'
# $(call placed,FILE.in,TARGET)
placed = @echo "install $(1) as $(2)"; install -d $(dir $(2)) && $(PLACES) $(1) >$(2) && \
    chmod 644 $(2)

install: P = $(DESTDIR)$(PREFIX)
install: L = $(DESTDIR)$(LIBDIR)
install: all $(OUT)/installed/libmaplog.a ## into PREFIX (/usr/local), LIBDIR, INCLUDEDIR, UNITDIR, RULESDIR, under DESTDIR; STRIP= keeps symbols
	$(PROGRAM) $(OUT)/maplog $P/bin/maplog
	$(PROGRAM) $(OUT)/maplog-lab $P/libexec/maplog/maplog-lab
	$(PROGRAM) $(OUT)/libmaplog.so $L/libmaplog.so.$(VERSION)
	$(DATA) $(OUT)/installed/libmaplog.a $L/libmaplog.a
	$(if $(STRIP),$(STRIP) $P/bin/maplog $P/libexec/maplog/maplog-lab)
	$(if $(STRIP),$(STRIP) --strip-unneeded $L/libmaplog.so.$(VERSION))
	$(if $(STRIP),$(STRIP) --strip-debug --enable-deterministic-archives $L/libmaplog.a)
	ln -sf libmaplog.so.$(VERSION) $L/$(SONAME)
	ln -sf $(SONAME) $L/libmaplog.so
	install -d $(DESTDIR)$(INCLUDEDIR) && install -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)
	$(call placed,maplog.pc.in,$L/pkgconfig/maplog.pc)
	$(call placed,cmake/maplog-config.cmake.in,$L/cmake/maplog/maplog-config.cmake)
	$(call placed,cmake/maplog-config-version.cmake.in,$L/cmake/maplog/maplog-config-version.cmake)
	install -d $P/share/man/man1 $P/share/man/man3
	install -m 644 $(filter %.1,$(MAN_PAGES)) $P/share/man/man1
	install -m 644 $(filter %.3,$(MAN_PAGES)) $P/share/man/man3
	$(DATA) completions/maplog $P/share/bash-completion/completions/maplog
	$(DATA) deploy/server.properties $P/share/doc/maplog/server.properties
	install -d $P/share/doc/maplog/examples
	install -m 644 $(PUBLIC_EXAMPLES) $P/share/doc/maplog/examples
	$(DATA) deploy/maplog.sysusers $P/lib/sysusers.d/maplog.conf
	$(DATA) deploy/60-maplog.rules $(DESTDIR)$(RULESDIR)/60-maplog.rules
	$(call placed,deploy/maplog.service,$(DESTDIR)$(UNITDIR)/maplog.service)
	$(call placed,deploy/maplog-drain.service,$(DESTDIR)$(UNITDIR)/maplog-drain.service)

uninstall: ## remove exactly what install put there
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	for folder in $(addprefix $(DESTDIR),$(OWN_FOLDERS)); do \
	    [ ! -d $$folder ] || rmdir --ignore-fail-on-non-empty $$folder; done

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14
	@echo "Variables: BUILD=release|debug|asan|tsan OUT=dir CC=clang PREFIX DESTDIR LIBDIR CFLAGS LDFLAGS WERROR= URING="
