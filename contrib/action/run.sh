#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What action.yml runs. Whatever a workflow gives comes as WHOHAS_*, and is never part of
# this script: a value is one word of the command, or the lines of a list are one each.
# WHOHAS_PROGRAM is a whohas that is there; without it one is built from the action's own
# files.
set -u

fail() {
	echo "whohas action: $*" >&2
	exit 2
}

single() {
	case $2 in
	*"
"*) fail "$1: it has several lines" ;;
	esac
}

sarif=${WHOHAS_SARIF:-whohas.sarif}
single sarif "$sarif"
single fail-on "${WHOHAS_FAIL_ON:=error}"
single config "${WHOHAS_CONFIG:=}"
single require "${WHOHAS_REQUIRE:=}"

program=${WHOHAS_PROGRAM:-}
if [ -z "$program" ]; then
	program=$RUNNER_TEMP/kubectl-whohas
	CGO_ENABLED=0 go build -C "$GITHUB_ACTION_PATH" -trimpath -o "$program" ./cmd/whohas || fail "cannot be built"
fi

set -- check -R --fail-on "$WHOHAS_FAIL_ON"
[ -z "$WHOHAS_CONFIG" ] || set -- "$@" --config "$WHOHAS_CONFIG"
[ -z "$WHOHAS_REQUIRE" ] || set -- "$@" --require "$WHOHAS_REQUIRE"
[ "${WHOHAS_INLINE_ALLOW:-false}" = true ] || set -- "$@" --no-inline-allow
while IFS= read -r file; do
	[ -z "$file" ] || set -- "$@" -f "$file"
done <<END
${WHOHAS_FILES:-.}
END
while IFS= read -r base; do
	[ -z "$base" ] || set -- "$@" --base "$base"
done <<END
${WHOHAS_BASE:-}
END

text=$(mktemp) || fail "no temporary file"
trap 'rm -f "$text"' EXIT
status=0
"$program" "$@" -o github -o "sarif=$sarif" -o "text=$text" || status=$?

# In <pre> nothing is Markdown, and what is escaped ends no <pre>. A summary may have a
# mebibyte (docs.github.com, workflow commands, job summaries).
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
	{
		echo "<pre>"
		head -c 500000 "$text" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' | head -c 1000000
		printf '\n</pre>\n'
	} >>"$GITHUB_STEP_SUMMARY"
fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then
	printf 'status=%s\nsarif=%s\n' "$status" "$sarif" >>"$GITHUB_OUTPUT"
fi
exit "$status"
