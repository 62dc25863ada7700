/* wick-optest: the op cases without a test framework, for machines that have none. */
#include "tests/ops/block_products.h"
#include "tests/ops/cases.h"
#include "tests/ops/quant_golden.h"

#include <stdio.h>

/* The bits of the block dtypes, on the instruction set that is chosen by itself. */
static bool quantised_rows(void)
{
    char          message[256];
    wk_ctx       *c = wk_ctx_new("cpu");
    const int64_t n =
        check_quant_golden(c, WK_SOURCE_DIR "/tests/golden/quant.safetensors", message, sizeof message);
    wk_ctx_free(c);
    if (n) printf("%lld block dtypes agree with the reference\n", (long long)n);
    if (!n) printf("FAIL\n%s\n", message);
    return n > 0;
}

/* Products with them, on every instruction set there is. */
static bool block_products(void)
{
    char          message[256];
    const int64_t n = check_block_products(message, sizeof message);
    if (n) printf("%lld products with block weights agree with sums in double\n", (long long)n);
    if (!n) printf("FAIL\n%s\n", message);
    return n > 0;
}

int main(void)
{
    struct tally t = {0};
    char         missing[512];
    run_everywhere(&t);
    if (!check_coverage(missing, sizeof missing)) printf("no case: %s\n", missing);
    if (t.failed) printf("FAIL\n%s", t.message);
    printf("%lld passed, %lld failed\n", (long long)t.passed, (long long)t.failed);
    const bool ok = quantised_rows() && t.failed == 0;
    return !(block_products() && ok);
}
