#!/bin/bash
# The wick program as its users meet it: flags, exit codes, streams, pull against a local server, generation with
# the tiny golden models.
set -u
cd "$(dirname "$0")/../.."
wick=$(realpath "$1")
work=$(mktemp -d)
export WICK_CACHE=$work/cache
passed=0
failed=0

check() { # check NAME EXPECTED-EXIT-CODE COMMAND...: stdout to $work/out, stderr to $work/err
    name=$1
    want=$2
    shift 2
    timeout 120 "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" -eq "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name: exit code $got, expected $want"
        head -n 5 "$work/out" "$work/err"
    fi
}
expect() { # expect NAME COMMAND...: the command succeeds
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        head -n 5 "$work/out" "$work/err"
    fi
}

check "no verb" 2 "$wick"
check "help" 0 "$wick" --help
expect "help goes to standard output" test -s "$work/out"
expect "help fits a screen" test "$(wc -l <"$work/out")" -le 24
check "version" 0 "$wick" --version
check "unknown verb" 2 "$wick" sing
check "unknown flag" 2 "$wick" run --sing
check "flag without value" 2 "$wick" run -m
check "no model" 2 "$wick" run -p hello
check "a number that is none" 2 "$wick" run -m x -n 3x
check "a number out of range" 2 "$wick" run -m x --top-p 2
check "no such file" 1 "$wick" run -m "$work/none.gguf" -p hello
expect "the error names the file" grep -q "none.gguf" "$work/err"
expect "nothing on standard output" test ! -s "$work/out"
check "no such device" 1 "$wick" run -m "$work/none.gguf" -p hello --device abacus:0
check "a model that is no model" 1 "$wick" run -m CMakeLists.txt -p hello
for verb in run chat perplexity tokenize inspect bench doctor pull list; do
    check "$verb --help" 0 "$wick" $verb --help
    expect "$verb --help fits a screen" test "$(wc -l <"$work/out")" -le 30
done
check "doctor" 0 "$wick" doctor
expect "doctor names the instruction set" grep -q '^isa' "$work/out"
check "doctor --json" 0 "$wick" doctor --json
expect "doctor's JSON" python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); assert d["devices"][0]["available"]' "$work/out"

# pull
python3 tests/program/server.py "$work/port" 2>/dev/null &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.05; done
export HF_ENDPOINT=http://127.0.0.1:$(cat "$work/port")
model=$work/cache/test/model
sum() { sha256sum "$model/model.gguf" | cut -d ' ' -f 1; }
check "pull" 0 "$wick" pull test/model
right=$(sum)
expect "pull takes what a model needs" test -f "$model/config.json" -a ! -f "$model/notes.bin"
check "pull again" 0 "$wick" pull test/model
expect "pull again finds it there" grep -q "already there" "$work/err"
check "list" 0 "$wick" list
expect "list shows it" grep -q "test/model/model.gguf" "$work/out"
check "list --json" 0 "$wick" list --json
expect "list's JSON" python3 -c 'import json,sys; assert json.load(open(sys.argv[1]))[0]["bytes"] == 3000000' "$work/out"
rm -rf "$model"
check "pull one file" 0 "$wick" pull test/model config.json
expect "only that file" test ! -f "$model/model.gguf"
check "pull a file that is not there" 1 "$wick" pull test/model other.gguf
check "pull over a broken connection" 0 "$wick" pull --revision drop test/model
expect "resumed to the same bytes" test "$(sum)" = "$right"
rm -f "$model/model.gguf"
head -c 1000000 /dev/zero | tr '\0' 'x' >"$model/model.gguf.part"
check "pull onto a wrong beginning" 1 "$wick" pull test/model
expect "the damaged file is thrown away" test ! -f "$model/model.gguf" -a ! -f "$model/model.gguf.part"
check "pull where the sum is wrong" 1 "$wick" pull --revision badsha test/model
expect "nothing is kept" test ! -f "$model/model.gguf"
head -c 1000000 /dev/zero >"$model/model.gguf.part"
check "pull from a server without ranges" 0 "$wick" pull --revision norange test/model
expect "started anew" test "$(sum)" = "$right"
rm -rf "$model"
check "pull of a hostile listing" 1 "$wick" pull --revision evil test/model ../evil.gguf
check "pull of a hostile name" 2 "$wick" pull ../../etc
check "private without a token" 1 "$wick" pull --revision private test/model
check "private with a token" 0 env HF_TOKEN=secret "$wick" pull --revision private test/model
check "redirects for ever" 1 "$wick" pull --revision loop test/model
check "no such repository" 1 "$wick" pull test/other

# samples
check "tensors" 0 "$(dirname "$wick")/tensors" "$work/tensors.safetensors"
expect "tensors prints what PyTorch would" diff "$work/out" tests/program/tensors.txt
check "tensors onto a path that is none" 1 "$(dirname "$wick")/tensors" /no/such/folder/x.safetensors
expect "the error names it" grep -q "no/such/folder" "$work/err"

[ -f tests/program/models.sh ] && . tests/program/models.sh

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
