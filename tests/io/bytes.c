/* The bounded reader and strict numbers. */
#include "nn/io/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bytes, reads_little_endian_and_stops_at_the_end)
{
    const unsigned char data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    wki_bytes           b = wki_bytes_of(data, sizeof data);
    cr_assert_eq(wki_take_u(&b, 1, "a"), 1);
    cr_assert_eq(wki_take_u(&b, 4, "b"), 0x05040302);
    cr_assert_eq(wki_take_u(&b, 8, "c"), 0);
    cr_assert(wki_bad(&b));
    cr_assert_str_eq(b.field, "c");
    cr_assert_eq(b.where, 5);
    cr_assert_str_eq(b.why, "needs 8 bytes, 4 are left");
    cr_assert_eq(wki_take_u(&b, 1, "d"), 0, "reads go on after a failure");
    cr_assert_str_eq(b.field, "c", "the first failure does not stick");
}

Test(bytes, counts_must_fit_what_is_left)
{
    wki_bytes b = wki_bytes_of("0123456789", 10);
    cr_assert(wki_may_hold(&b, 5, 2, "n"));
    cr_assert_not(wki_may_hold(&b, 6, 2, "n"));
    b = wki_bytes_of("0123456789", 10);
    cr_assert_not(wki_may_hold(&b, UINT64_MAX, 8, "n"));
    cr_assert_null(wki_take(&b, SIZE_MAX, "n"));
}

Test(bytes, sizes_of_tensors_do_not_wrap)
{
    size_t n = 1, bytes = 1;
    cr_assert(wki_tensor_size(WK_SHAPE(3, 64), 32, 18, &n, &bytes));
    cr_assert(n == 192 && bytes == 108);
    cr_assert(wki_tensor_size(WK_SCALAR_SHAPE, 1, 4, &n, &bytes) && n == 1 && bytes == 4);
    cr_assert(wki_tensor_size(WK_SHAPE(5, 0), 1, 4, &n, &bytes) && n == 0 && bytes == 0);
    cr_assert_not(wki_tensor_size(WK_SHAPE(3, 33), 32, 18, &n, &bytes));
    cr_assert_not(wki_tensor_size(WK_SCALAR_SHAPE, 32, 18, &n, &bytes));
    cr_assert_not(wki_tensor_size(WK_SHAPE(INT64_C(1) << 32, INT64_C(1) << 32), 1, 1, &n, &bytes));
    cr_assert_not(wki_tensor_size(WK_SHAPE(INT64_MAX, 2), 1, 1, &n, &bytes));
    cr_assert_not(wki_tensor_size(WK_SHAPE(INT64_C(1) << 40, INT64_C(1) << 40, 0), 1, 1, &n, &bytes));
    cr_assert_not(wki_tensor_size(WK_SHAPE(-1), 1, 1, &n, &bytes));
}

Test(bytes, numbers_are_strict)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "1a"};
    uint64_t                 v = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(wki_parse_u64(bad[i], strlen(bad[i]), &v), "\"%s\"", bad[i]);
    cr_assert(wki_parse_u64("18446744073709551615", 20, &v) && v == UINT64_MAX);
    cr_assert(wki_parse_u64("007", 3, &v) && v == 7);
}

Test(bytes, utf8_and_escapes)
{
    static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc3", "\xe0\x80\x80",
                                      "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(wki_is_utf8(bad[i], strlen(bad[i])), "%zu", i);
    cr_assert(wki_is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    cr_assert(wki_is_printable("caf\xc3\xa9", 5));
    static const char *const odd[] = {"\x1b[31m",     "a\nb",         "\x7f",        "\xc2\x9b",
                                      "\xe2\x80\xae", "\xe2\x80\xa8", "\xe2\x81\xa6"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        cr_assert_not(wki_is_printable(odd[i], strlen(odd[i])), "%zu", i);
    char         out[32];
    const size_t n = wki_escape(out, sizeof out, "a\x1b\"\\\n\xff\xe2\x80\xae", 9);
    cr_assert_str_eq(out, "a\\x1b\\\"\\\\\\n\\xff\\xe2\\x80\\xae");
    cr_assert_eq(n, strlen(out));
    cr_assert_eq(wki_escape(out, 4, "abcdef", 6), 3);
    cr_assert_eq(wki_escape(out, 1, "abcdef", 6), 0);
}
