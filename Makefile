# Isolating functions and running servers takes root.
AS_ROOT := $(shell [ "$$(id -u)" -eq 0 ] || command -v sudo)

.PHONY: demo test run lint fix bench console screenshots clean

demo:           ## Play the tutorial on the real thing and leave the cloud running
	@scripts/system-packages demo
	@scripts/venv
	@scripts/console
	@$(AS_ROOT) .venv/bin/undercast demo

test:           ## Lint and every test; installs what it needs
	@scripts/system-packages test
	@scripts/venv
	@scripts/console
	@scripts/test

run:            ## Run the cloud in the foreground
	@scripts/venv
	@.venv/bin/undercast up

lint:           ## Style, formatting, types
	@scripts/venv
	@scripts/lint

fix:            ## Mend style and formatting
	@scripts/venv
	@scripts/lint --fix

console:        ## Build the web console (needs Node.js)
	@scripts/console

screenshots:    ## Pictures of every page of the console, into screenshots/
	@scripts/system-packages test
	@scripts/venv
	@scripts/console
	@timeout 900 .venv/bin/python tests/e2e/screenshots.py </dev/null

bench:          ## Benchmarks beside their floors
	@scripts/system-packages test
	@scripts/venv
	@.venv/bin/python -m benchmarks

clean:          ## Remove what was built here
	rm -rf .venv .mypy_cache .ruff_cache build dist src/undercast/console/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
