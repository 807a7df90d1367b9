# SPDX-License-Identifier: Apache-2.0
# `make run` and `make test` work on a bare Debian 12, as root or with sudo: they install what is
# missing. Everything else is a shorter way to say what these two do in steps.
SHELL := /bin/bash
.DEFAULT_GOAL := build
.PHONY: run build test deps deps-test soak bench fmt clean

# Guards real calls when OPENAI_API_KEY is set, calls of the simulated provider otherwise.
run: build
	exec build/release/sallyport serve --quickstart

build: deps
	cmake --preset release -DSALLYPORT_TESTS=OFF >/dev/null
	ninja -C build/release sallyport

deps:
	@tools/deps run

deps-test:
	@tools/deps test

# Builds the presets release, asan and tsan, runs every test in each, fuzzes, and sums up.
test: deps-test
	@tools/test

# Hours instead of minutes: kill -9 a thousand times, ten minutes of each fuzz target.
soak: deps-test
	@tools/test soak

# Beside nginx and HAProxy; the numbers go to bench/RESULTS.md.
bench: deps-test build
	@bench/run

fmt: deps-test
	git ls-files 'src/*.h' 'src/*.cc' 'fuzz/*.cc' | xargs clang-format-19 -i

clean:
	rm -rf build
