/* The op cases as tests. */
#include "tests/ops/cases.h"

#include <criterion/criterion.h>

Test(ops, agree_with_double_precision_and_differences)
{
    struct tally t = {0};
    cr_assert(run_set(0, 0, NULL, &t), "no instruction set could be opened");
    cr_assert_eq(t.failed, 0, "%lld of %lld:\n%s", (long long)t.failed, (long long)(t.passed + t.failed),
                 t.message);
    cr_assert_gt(t.passed, 0);
    char missing[1024];
    cr_assert(check_gradient_coverage(missing, sizeof missing), "gradients not seen in all layouts: %s",
              missing);
}

Test(ops, agree_on_the_other_instruction_sets)
{
    struct tally t = {0};
    for (int i = 1; run_set(i, 0, NULL, &t); i++) {}
    cr_assert_eq(t.failed, 0, "%lld of %lld:\n%s", (long long)t.failed, (long long)(t.passed + t.failed),
                 t.message);
}

Test(ops, every_row_has_a_case)
{
    char missing[1024];
    cr_assert(check_coverage(missing, sizeof missing), "no case: %s", missing);
}
