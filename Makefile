# make build   bin/carob and the programs it starts
# make demo    set the host up and run containers as an unprivileged account
# make test    set the host up and run every test
# make crash   the crash tests with every kill point, not only the first of each kind
# make check   what needs no container: build, vet, gofmt, staticcheck, unit tests
# make bench   carob beside podman and bare crun
# make fuzz    each fuzz target for FUZZTIME
# make man completions deps   write the generated files anew
# make install PREFIX=/usr/local [DESTDIR=]

PREFIX   ?= /usr/local
DESTDIR  ?=
FUZZTIME ?= 10s

# Go from its tarball is often not on a root shell's PATH.
export PATH := $(PATH):/usr/local/go/bin
GO ?= go

# Empty: the version written in the source.
VERSION ?=
# openpgp in Go instead of gpgme; no btrfs and zfs headers needed to build.
TAGS    := containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_zfs
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))
GOBUILD := $(GO) build -trimpath -buildvcs=false -tags "$(TAGS)" -ldflags "$(LDFLAGS)"

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

GOFILES = $(shell git ls-files '*.go')

# Every directory under cmd is a program.
PROGRAMS := $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))

.PHONY: crash all build $(PROGRAMS) install demo test check unit arch bench fuzz man completions deps clean

all: build

build: $(PROGRAMS)

# Every running container pays for the monitor's memory: no cgo, no libc. A
# generator of systemd's needs nothing of the host.
carob-monitor carob-probe quadlet: export CGO_ENABLED = 0

$(PROGRAMS):
	$(GOBUILD) -o bin/$@ ./cmd/$@

install: build
	install -D -m755 bin/carob $(DESTDIR)$(PREFIX)/bin/carob
	for p in $(filter-out carob,$(PROGRAMS)); do \
		install -D -m755 bin/$$p $(DESTDIR)$(PREFIX)/libexec/carob/$$p || exit; done
	hack/install-systemd.sh "$(DESTDIR)$(PREFIX)"
	hack/install-docs.sh "$(DESTDIR)$(PREFIX)/share"
	hack/install-units.sh "$(DESTDIR)" "$(PREFIX)"

demo: build
	hack/demo.sh

# The host first: unit tests, too, want crun and busybox and skip without them.
test:
	hack/setup-host.sh
	$(MAKE) check
	hack/e2e.sh

# make test kills at the first calls of each kind; this does not stop there.
crash:
	CAROB_CRASH_DEPTH=40 $(GO) test -count=1 -timeout 120m ./test/crash

check: build unit
	out=$$(gofmt -l $(GOFILES)) && { test -z "$$out" || { echo "$$out"; false; }; }
	$(GO) vet -tags "$(TAGS)" ./...
	$(GO) run $(STATICCHECK) -tags "$(TAGS)" ./...

# The tests under test/ but test/arch need a host that hack/setup-host.sh made ready.
unit:
	$(GO) test -tags "$(TAGS)" $$($(GO) list -tags "$(TAGS)" ./... | grep -v /test/) ./test/arch/...

arch:
	$(GO) test -tags "$(TAGS)" ./test/arch

bench: build
	hack/bench.sh $(BENCHFLAGS)

fuzz:
	hack/fuzz.sh "$(TAGS)" $(FUZZTIME)

man completions:
	hack/gendocs.sh "$(TAGS)"

deps:
	$(GO) run ./test/arch/deps > docs/DEPENDENCIES.md

clean:
	rm -rf bin
