#!/bin/sh
# switch on a dtype only in the converters, never on an op; models' names only in models.def.
{
    git grep -nE 'switch *\([^)]*(dtype|wk_op\b|->op)' -- 'core' 'cpu' 'cuda' 'nn' |
        grep -vE '^(cpu/kernel\.h|cpu/convert\.c|cuda/kernel\.cuh|cuda/blocks\.cuh):'
    # nn/text tells tokenisers apart, which GGUF names after models
    names=$(sed -nE 's/^[A-Z_]+\([^"]*"([A-Za-z0-9_]+)".*/\1/p' nn/models/models.def 2>/dev/null | paste -sd'|')
    [ -z "$names" ] || git grep -nE "str(n?case)?cmp\([^;]*\"($names)\"" -- 'nn/*.[ch]' 'core/*.[ch]' ':!nn/text'
} | { ! grep .; }
