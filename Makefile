# SPDX-License-Identifier: Apache-2.0

.DEFAULT_GOAL := help
.PHONY: help build image dist check test busy nightly lab lint bench bench-guard docs fuzz diff-policy tools
# What the programs of an image say of themselves; tools/dist asks git itself.
release = -version $$(git describe --tags --always --dirty --abbrev=12 2>/dev/null || echo devel) $$(TZ=UTC0 git log -1 --format='-commit %H -date %cd' --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
lint := $(shell tools/build --path golangci-lint)
# What the lab runs beside etcd and kube-apiserver.
components := kube-controller-manager kube-proxy kube-proxy-1.25 kubemark kubectl

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the programs, as bin/kubectl-whohas and bin/whohas-guard
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/kubectl-whohas ./cmd/whohas
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/whohas-guard ./cmd/whohas-guard
	@ln -sf kubectl-whohas bin/whohas

image: ## the container images, as dist/PROGRAM.oci.tar: no registry, no daemon
	@for p in whohas-guard whohas; do \
	  go run -C tools/image . -root $(CURDIR) -program $$p -o $(CURDIR)/dist/$$p.oci.tar $(release) || exit 1; \
	done

dist: ## what users install, in dist/: archives, packages, chart, and where they come from
	go run -C tools/dist . -root $(CURDIR) -o $(CURDIR)/dist $(DIST)

check: tools lint test ## what CI runs: everything that must hold

test: ## all tests, in real clusters too (installs what they need)
	@tools/packages
	@tools/build etcd kube-apiserver kubectl helm krew cyclonedx-gomod actionlint $(components) >/dev/null
	go test -C tools/image .
	go test -C tools/dist -count=1 .
	@# -count=1: else go repeats what a test said before, as long as the files that it read
	@# are the same. That the kernel is another, or a program that it starts, go does not see.
	go test -count=1 -timeout 60m ./...

busy: ## make check three times beside full load and a busy writer: all must hold then, too
	tools/busy 3 $(MAKE) check

lab: ## all scenarios of the lab, on real kernels (docs/lab.md)
	@tools/packages
	@tools/build etcd kube-apiserver $(components) >/dev/null
	go run ./lab/cmd/lab all

lint: ## formatting, vet, linters, and that modules and rule pages are fresh
	@tools/build golangci-lint >/dev/null
	@ugly=$$(gofmt -l .); [ -z "$$ugly" ] || { echo "run gofmt -w on these: $$ugly" >&2; exit 1; }
	go mod verify >/dev/null
	go vet ./...
	go vet -C tools/image .
	go vet -C tools/dist .
	@for os in darwin windows; do GOOS=$$os CGO_ENABLED=0 go build -o /dev/null ./cmd/whohas || exit 1; done
	$(lint) run --allow-parallel-runners ./...

bench: ## speed and memory of whole commands on a large cluster, and of the guard
	@tools/build kubeconform >/dev/null
	go run ./bench

bench-guard: ## speed and memory of the guard alone
	go run ./bench guard

docs: ## the rule pages, from the rules
	go run ./internal/ruledoc

fuzz: ## each fuzz target for a while (FUZZTIME=20s)
	FUZZTIME=$${FUZZTIME:-20s} tools/nightly fuzz

nightly: tools ## what is too long for check: every fuzz target, the whole lab, the differential, dist for all platforms
	tools/nightly

diff-policy: ## 100,000 random writes: the policy's verdict against the engine's
	tools/nightly differential

tools: ## what tests and checks need: packages, and programs built once into a cache
	@tools/packages
	@tools/build >/dev/null
