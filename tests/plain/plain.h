/* Just enough of Criterion for suites that must run where it cannot (under ThreadSanitizer, whose memory map
 * its sandbox does not survive): tests register themselves, main.c runs them one after another. */
#ifndef WK_TESTS_PLAIN_H
#define WK_TESTS_PLAIN_H

#include <stdio.h>
#include <stdlib.h>

struct plain_test {
    const char *name;
    void (*run)(void);
    struct plain_test *next;
};
void plain_add(struct plain_test *t);

#define Test(suite, title)                                                                                   \
    static void                              suite##_##title(void);                                          \
    __attribute__((constructor)) static void suite##_##title##_add(void)                                     \
    {                                                                                                        \
        static struct plain_test t = {#suite "::" #title, suite##_##title, NULL};                            \
        plain_add(&t);                                                                                       \
    }                                                                                                        \
    static void suite##_##title(void)

#define PLAIN_CHECK(cond)                                                                                    \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond);                                  \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)
#define cr_assert(cond, ...)    PLAIN_CHECK(cond)
#define cr_assert_eq(a, b, ...) PLAIN_CHECK((a) == (b))
#define cr_assert_null(a, ...)  PLAIN_CHECK((a) == NULL)

#endif
