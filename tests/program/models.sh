# Sourced by run.sh: the verbs on a tiny committed model, chain.gguf (see tests/golden/text.py).
tiny=tests/golden/text/chain.gguf
check "run" 0 "$wick" run -m $tiny -p x -n 8 --temp 0
cp "$work/out" "$work/first"
expect "run prints text" test -s "$work/out"
expect "run is quiet on standard error" test ! -s "$work/err"
check "run with one thread" 0 "$wick" run -m $tiny -p x -n 8 --temp 0 -t 1
expect "the same text for 1 and 2 threads" cmp -s "$work/out" "$work/first"
check "run --precise" 0 "$wick" run -m $tiny -p x -n 8 --temp 0 --precise
printf x >"$work/text"
check "run -f" 0 "$wick" run -m $tiny -f "$work/text" -n 8 --temp 0
expect "-f is -p" cmp -s "$work/out" "$work/first"
check "run -n 0" 0 "$wick" run -m $tiny -p x -n 0
check "run with a seed" 0 "$wick" run -m $tiny -p x -n 8 --seed 7
cp "$work/out" "$work/seeded"
check "run with the seed again" 0 "$wick" run -m $tiny -p x -n 8 --seed 7
expect "a seed gives the same text" cmp -s "$work/out" "$work/seeded"
check "-p and -f together" 1 "$wick" run -m $tiny -p a -f "$work/text"
check "cache types" 0 "$wick" run -m $tiny -p x -n 8 --temp 0 -ctk f32 -ctv bf16
expect "the same text with other cache types" cmp -s "$work/out" "$work/first"
check "cache types, spelt out" 0 "$wick" run -m $tiny -p x -n 8 --temp 0 --cache-type-k bf16 --cache-type-v f32
check "an unknown cache type" 1 "$wick" run -m $tiny -p x -n 8 -ctv q9
expect "the error names flag and type" grep -q -e '-ctv q9' "$work/err"
check "a cache type without its value" 2 "$wick" run -m $tiny -p x -ctk
check "heads that are not whole blocks" 1 "$wick" bench -m tests/golden/models/llama -p 4 -n 2 -r 1 -ctk q8_0
expect "the error names the block" grep -q "keys of q8_0 come in blocks of 32 values" "$work/err"
check "a prompt longer than the context" 1 "$wick" run -m $tiny -p xxxxxxxx -c 4
check "tokenize --json" 0 "$wick" tokenize -m $tiny -p ABC --json
expect "tokenize's JSON" python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); assert all(type(i) is int for i in d) and d' "$work/out"
check "tokenize" 0 "$wick" tokenize -m $tiny -p ABC
check "perplexity" 0 "$wick" perplexity -m $tiny -p AxABCDSx --logits "$work/logits.npy"
expect "perplexity tells it" grep -q '^perplexity' "$work/out"
expect "logits as npy" python3 -c 'import sys; b=open(sys.argv[1],"rb").read(); assert b[:6]==b"\x93NUMPY" and b"<f4" in b[:128]' "$work/logits.npy"
check "perplexity --json" 0 "$wick" perplexity -m $tiny -p AxABCDSx --json
expect "perplexity's JSON" python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); assert d["perplexity"] >= 1' "$work/out"
check "perplexity of one token" 1 "$wick" perplexity -m $tiny -p x
check "bench --json" 0 "$wick" bench -m $tiny -p 6 -n 4 -d 2 -t 2 -r 3 --json
expect "bench's JSON" python3 -c 'import json,sys
d=json.load(open(sys.argv[1]))
assert [r["test"] for r in d] == ["pp6", "tg4"]
for r in d:
    assert set(r) == {"model", "bytes", "device", "threads", "depth", "test", "reps", "tokens_per_second",
                      "percent_of_memory", "percent_of_compute", "compute_unit", "limits"}
    assert 0 < r["percent_of_memory"] < 1000 and 0 < r["percent_of_compute"] < 100
    assert r["compute_unit"] in r["limits"] and r["limits"]["read_bytes"] > 0
    t = r["tokens_per_second"]
    assert r["depth"] == 2 and r["reps"] == 3 and 0 < t["min"] <= t["median"] <= t["max"]' "$work/out"
check "bench --all-logits" 0 "$wick" bench -m $tiny -p 6 -n 0 --batch 2 --all-logits -r 1
check "inspect" 0 "$wick" inspect -m $tiny
check "inspect --json" 0 "$wick" inspect -m $tiny --json
expect "inspect's JSON" python3 -c 'import json,sys; assert json.load(open(sys.argv[1]))["tensors"]' "$work/out"
check "inspect a folder" 0 "$wick" inspect -m tests/golden/models/llama
check "bench a folder" 0 "$wick" bench -m tests/golden/models/llama -p 4 -n 2 -r 1
check "a closed standard output" 1 sh -c "'$wick' run -m $tiny -p x -n 8 --temp 0 >/dev/full"
check "a trace" 0 env WK_TRACE=1 "$wick" run -m $tiny -p x -n 2 --temp 0
expect "the trace names ops and shapes" grep -q "affine .*f16\[32, 32\].* -> f32" "$work/err"
# Ctrl-C: once stops the generation with 130.
"$wick" run -m $tiny -p x -n 1000000 --ignore-eos -c 100000 --temp 0 >"$work/out" 2>"$work/err" &
running=$!
sleep 1
kill -INT $running 2>/dev/null
wait $running
interrupted=$?
expect "Ctrl-C ends with 130 (was $interrupted)" test $interrupted -eq 130 -o $interrupted -eq 0
