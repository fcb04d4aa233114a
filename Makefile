# make test is all that a clean clone needs: it installs what the tests use, builds, and runs them.

NPM = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
SUITES = tests/interop tests/browser

.PHONY: run client fallback-page suites test lint library deny elsewhere setup build test-rust test-interop test-browser test-faults faults test-chaos chaos surfaces fuzz shuttle bench bench-library bench-micro bench-quick bench-tools bench-peers clean

run:
	cargo run --release

test: setup build test-rust test-interop test-browser test-faults test-chaos bench-quick

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --lib
	$(LIBRARY)
	@if command -v cargo-deny >/dev/null; then $(DENY); else echo "not checked: make deny"; fi

# The library without the feature server, and the examples on it. tests/library.rs says what it brings along.
LIBRARY = cargo clippy --lib --no-default-features -- -D warnings \
	&& cargo clippy --lib --examples --no-default-features --features redis -- -D warnings
library:
	$(LIBRARY)

# Licences, sources and versions of the dependencies (deny.toml): needs cargo install --locked cargo-deny.
DENY = cargo deny check bans licenses sources
deny:
	$(DENY)

# The oldest Rust that builds this, and Windows: needs rustup and a C compiler, x86_64-w64-mingw32-gcc.
elsewhere:
	rustup toolchain install --profile minimal $(OLDEST)
	cargo +$(OLDEST) check --all-targets --target-dir target/elsewhere
	rustup target add $(WINDOWS)
	cargo check --target $(WINDOWS) --target-dir target/elsewhere
OLDEST = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
WINDOWS = x86_64-pc-windows-gnu

# Browsers old and new, clients and tools from npm. Does nothing the second time.
setup:
	tests/setup.sh
	for suite in $(SUITES); do (cd $$suite && $(NPM)) || exit 1; done

# What the tests run, which cargo test builds, too. PARLANCE_BIN names another server, as that of a release.
build:
	cargo build --bins --examples

# Most of them wait, for servers and for clocks: four at once even where there are two cores.
test-rust:
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} cargo test
	$(ORDERS)

# Real clients of every generation, in Node and in Chromium.
test-interop: build
	cd tests/interop && node --test --test-force-exit --test-concurrency=3

# The page and its client library in Chromium, with what old browsers lack taken away, and in old browsers.
test-browser: build
	cd tests/browser && node --test --test-force-exit --test-concurrency=2

.PHONY: day engines

# The page in every engine by every transport that it has, in about five minutes; in test-browser each of both, not each pair.
engines: build
	cd tests/browser && FULL=1 node --test --test-force-exit engines.test.mjs

# A room of 10 000 messages in three browsers: reload, to the first, search, delete. About two minutes; of 2 000 in test-browser.
day: build
	cd tests/browser && MESSAGES=10000 node --test --test-force-exit day.test.mjs

# The fault laboratory: what its proxies and servers do is what the names say, and a clean way alarms nobody.
test-faults: build
	cd tests/faults && node --test --test-force-exit --test-concurrency=2

# The same with all times in full and a thousand runs, in about six minutes: tests/faults/README.md.
faults: build
	cd tests/faults && FULL=1 RUNS=1000 node --test --test-force-exit --test-concurrency=1

# A chat of three nodes with people who count, while Redis, a node or what is between them breaks: tests/chaos/README.md.
test-chaos: build
	cd tests/chaos && node --test --test-force-exit --test-concurrency=2

# The same with all faults for all adapters and all times in full, and a table, in about ten minutes.
chaos: build
	cd tests/chaos && node chaos.mjs

# What the pages, the log, the administrator's view and the command say of each fault, as a table, in about twenty minutes.
surfaces: build
	cd tests/faults && node surfaces.mjs

# Bundles the modern client into client/modern/dist, which is committed. Its tool comes with make setup.
client:
	node client/modern/build.mjs

# Writes the table of causes into docs/fallback.md.
fallback-page:
	WRITE_DOCS=1 cargo test --lib the_page_on_fallbacks_has_the_table

# The tests of socket.io-client and engine.io-client with the modern client in its place, from CHECKOUT, a folder with
# socket.io's repository: tests/suites/README.md.
suites: build
	cd tests/suites && $(NPM)
	cd tests/suites && node socketio-client.mjs $(abspath $(CHECKOUT))
	cd tests/suites && node socketio-client.mjs $(abspath $(CHECKOUT)) --server ../../target/debug/examples/socketio_suite
	cd tests/suites && node engineio-client.mjs $(abspath $(CHECKOUT))
	cd tests/suites && USE_FETCH=1 node engineio-client.mjs $(abspath $(CHECKOUT))
	cd tests/suites && node engineio-client.mjs $(abspath $(CHECKOUT)) --server ../../target/debug/examples/engineio_suite
	cd tests/suites && USE_FETCH=1 node engineio-client.mjs $(abspath $(CHECKOUT)) --server ../../target/debug/examples/engineio_suite

.PHONY: kills floods

# Those who take nothing of what they are told: each cause by each transport, in about five minutes.
floods:
	FULL=1 cargo test --test wire -- life::unread

# A process that writes history is killed 200 times, and then the server while clients talk to it: nothing that was acknowledged is
# lost or there twice. In about ten minutes; a few times each in make test.
kills: build
	KILLS=200 cargo test --test store -- a_killed_process --nocapture
	cd tests/interop && KILLS=200 node --test --test-force-exit kills.test.mjs

.PHONY: sweep protocol-suites

# Every published version of socket.io-client, and other clients: writes docs/clients.md. tests/sweep/README.md has more.
sweep: build
	cd tests/interop && $(NPM)
	node tests/sweep/sweep.mjs $(CLIENTS)

# The public protocol suites, from checkouts in SUITES_DIR: tests/suites/README.md.
protocol-suites: build
	cd tests/interop && $(NPM)
	node tests/suites/protocols.mjs "$(abspath $(SUITES_DIR))"

# Looks for inputs that break a promise, TIME seconds for each target, or for the TARGET that is named: fuzz/README.md.
TIME = 60
TARGET = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
fuzz:
	for target in $(TARGET); do \
	  mkdir -p fuzz/corpus/$$target && \
	  cargo fuzz run --sanitizer none --no-cfg-fuzzing $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(TIME) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 || exit 1; \
	done

# The engine's sessions in many orders of events, so many for each test: src/engine/interleavings.rs.
SCHEDULES = 20000
ORDERS = cargo test --lib --features shuttle engine::interleavings
shuttle:
	cargo clippy --lib --profile test --features shuttle -- -D warnings
	SCHEDULES=$(SCHEDULES) SHUTTLE_RANDOM_SEED=$$(date +%s) $(ORDERS)

# Parlance and its peers under the same load, in under a quarter of an hour: docs/benchmarks.md.
bench: bench-tools bench-peers
	cargo build --release
	node benches/run.mjs

# The library beside socketioxide and npm socket.io, in under ten minutes: the end of docs/benchmarks.md, where WRITE_DOCS=1
# puts the figures.
bench-library: bench-tools bench-peers
	cargo build --release --example library_bench
	node benches/run.mjs --library

# The dialects and one broadcast, without a socket: about a minute.
bench-micro:
	cargo bench --bench micro

# The same load as of bench, on Parlance alone, for a minute: are all deliveries exact? Never how fast.
bench-quick: build bench-tools
	node benches/run.mjs --quick
	node benches/run.mjs --library --quick

bench-tools:
	cd benches/loadgen && cargo build --release --locked

bench-peers:
	cd benches/peers && cargo build --release --locked
	cd benches/peers/node && $(NPM)

clean:
	cargo clean
	rm -rf tests/*/node_modules
