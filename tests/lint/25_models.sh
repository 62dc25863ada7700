#!/bin/sh
# Model files name no device, no dtype but f32 and the index types, and no kernel.
git grep -nE '\b(WK_(f16|bf16|f64|q[2-8]_[01k]|f8e[45]m[23])|CPU\(|wki_cpu|"cpu"|"cuda)' -- 'nn/models/*.c' | { ! grep .; }
