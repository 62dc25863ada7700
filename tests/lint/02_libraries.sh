#!/bin/sh
# cblas.h only in cpu, CUDA headers only in cuda, intrinsics only in the files named here.
allowed='^cpu/(simd\.h|convert\.c|conv\.c|conv_pairs\.h|half\.h|kernel\.h|gemv\.[ch]|gemv_lanes\.h|blocks\.h|blocks_dot\.h|codes8\.h|gemm_blocks\.c|gemm_words\.c|quant\.c|attend_half\.c|attend_codes\.c|matmul\.c|gemm\.h|gemm_bf16\.c|gemm_half\.c|gemm_i8\.c|codes\.h|limits\.c|cpu\.c)$'
{
    git grep -lE '^ *# *include *<cblas' -- ':!cpu' ':!tests'
    git grep -lE '^ *# *include *<(cuda|cublas)' -- '*.[ch]' '*.cu' '*.cuh' ':!cuda' ':!tests'
    git grep -lE '\b_mm(256|512)?_[a-z]|\bv(ld|st|fma|cvt)[0-9a-z]*q?_[fsu](8|16|32)\b' -- 'core' 'cpu' 'nn' 'samples' |
        grep -vE "$allowed"
} | { ! grep .; }
