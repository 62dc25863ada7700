#!/bin/sh
# Prints docs/ops.md: the table of ops, from core/ops.def by the preprocessor.
cd "$(dirname "$0")/.." || exit 1
cat <<'END'
# Ops

Made by docs/ops.sh from core/ops.def. cpu, cuda: 1 a kernel, 0 the composition runs, V a view.
gradient: what the tape keeps (N nothing but shapes, I inputs, O outputs, B both, F what its formula names,
P of operand 0 and its factors what the other wants, C operand 0, X all but operand 0), 0 none.

| op | cpu | cuda | gradient |
| --- | --- | --- | --- |
END
printf '#define WK_OP(name, cpu, cuda, grad, rows) @ name cpu cuda grad\n#include "core/ops.def"\n' |
    cc -E -P -I. - | tr '@' '\n' | awk 'NF == 4 { print "| " $1 " | " $2 " | " $3 " | " $4 " |" }'
