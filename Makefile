# SPDX-License-Identifier: Apache-2.0

.DEFAULT_GOAL := help
.PHONY: help build check test lint bench docs fuzz demo tools
lint := $(shell tools/build --path golangci-lint)

help: ## what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the program, as bin/kubectl-whohas
	CGO_ENABLED=0 go build -trimpath -o bin/kubectl-whohas ./cmd/whohas

check: tools lint test ## what CI runs: everything that must hold

test: ## all tests, the real kube-apiserver's too (installs what they need)
	@tools/build etcd kube-apiserver kubectl >/dev/null
	go test ./...

lint: ## formatting, vet, linters, and that modules and rule pages are fresh
	@tools/build golangci-lint >/dev/null
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run gofmt -w on these" >&2; exit 1; }
	go mod verify >/dev/null
	go vet ./...
	$(lint) run ./...

bench: ## speed and memory of whole commands on a large cluster
	@tools/build kubeconform >/dev/null
	go run ./internal/bench

docs: ## the rule pages, from the rules
	go run ./internal/ruledoc

fuzz: ## each fuzz target for a while (FUZZTIME=20s)
	@for dir in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$dir/*_test.go | cut -c6-); do \
			go test -run xxx -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-20s} -fuzzminimizetime 10x $$dir || exit 1; \
		done; \
	done

demo: ## the incident, explained
	-@go run ./cmd/whohas check -f examples/incident

tools: ## the programs that tests and checks need, built once into a cache
	@tools/build >/dev/null
