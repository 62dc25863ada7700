/* wick-optest: the op cases without a test framework, for machines that have none. */
#include "tests/ops/cases.h"

#include <stdio.h>

int main(void)
{
    struct tally t = {0};
    char         missing[512];
    run_everywhere(&t);
    if (!check_coverage(missing, sizeof missing)) printf("no case: %s\n", missing);
    if (t.failed) printf("FAIL\n%s", t.message);
    printf("%lld passed, %lld failed\n", (long long)t.passed, (long long)t.failed);
    return t.failed != 0;
}
