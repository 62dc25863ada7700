/* Runs the tests that were registered, without Criterion. */
#include "tests/plain/plain.h"

static struct plain_test *first;

void plain_add(struct plain_test *t)
{
    t->next = first;
    first = t;
}

int main(void)
{
    int n = 0;
    for (const struct plain_test *t = first; t; t = t->next, n++) {
        printf("%s\n", t->name);
        fflush(stdout);
        t->run();
    }
    printf("%d passed, 0 failed\n", n);
    return n == 0;
}
