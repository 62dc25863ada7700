/* Tensors as text: what PyTorch prints, with wick's names of dtypes. */
#include "core/wick.h"
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
Test(format, values_print_as_in_pytorch)
{
    const struct {
        const void *data;
        wk_dtype    t;
        wk_shape    shape;
        const char *text;
    } rows[] = {
        {(float[]){1.0f, 2.0f, 3.0f, 4.0f}, WK_f32, WK_SHAPE(2, 2),
     "tensor([[1., 2.],\n"
     "        [3., 4.]])"},
        {(float[]){10000000000.0f, 1.0f}, WK_f32, WK_SHAPE(2),
     "tensor([1.0000e+10, 1.0000e+00])"},
        {(float[]){100000000.0f}, WK_f32, WK_SHAPE(1),
     "tensor([100000000.])"},
        {(float[]){1000000000.0f}, WK_f32, WK_SHAPE(1),
     "tensor([1.0000e+09])"},
        {(float[]){0.5f, 1000.0f}, WK_f32, WK_SHAPE(2),
     "tensor([5.0000e-01, 1.0000e+03])"},
        {(float[]){0.5f, 500.0f}, WK_f32, WK_SHAPE(2),
     "tensor([  0.5000, 500.0000])"},
        {(float[]){-3.0f, -1.0f, 500000000.0f}, WK_f32, WK_SHAPE(3),
     "tensor([-3.0000e+00, -1.0000e+00,  5.0000e+08])"},
        {(float[]){NAN, INFINITY, -INFINITY, 1.5f}, WK_f32, WK_SHAPE(4),
     "tensor([   nan,    inf,   -inf, 1.5000])"},
        {(float[]){NAN, INFINITY}, WK_f32, WK_SHAPE(2),
     "tensor([nan, inf])"},
        {(float[]){INFINITY, 1.0f}, WK_f32, WK_SHAPE(2),
     "tensor([inf, 1.])"},
        {(float[]){-INFINITY, 1.0f, 20.0f}, WK_f32, WK_SHAPE(3),
     "tensor([-inf,  1., 20.])"},
        {(float[]){INFINITY, 1e-09f}, WK_f32, WK_SHAPE(2),
     "tensor([       inf, 1.0000e-09])"},
        {(float[]){0.0f, 0.0f}, WK_f32, WK_SHAPE(2),
     "tensor([0., 0.])"},
        {(float[]){3.25f}, WK_f32, WK_SCALAR_SHAPE,
     "tensor(3.2500)"},
        {(float[]){-0.0f}, WK_f32, WK_SHAPE(1),
     "tensor([-0.])"},
        {(float[]){1.0f, 100000.0f}, WK_f32, WK_SHAPE(2),
     "tensor([1.0000e+00, 1.0000e+05])"},
        {(float[]){1.0f, 1000.0f}, WK_f32, WK_SHAPE(2),
     "tensor([   1., 1000.])"},
        {(float[]){1.0f, 1001.0f}, WK_f32, WK_SHAPE(2),
     "tensor([1.0000e+00, 1.0010e+03])"},
        {(float[]){NAN}, WK_f32, WK_SCALAR_SHAPE,
     "tensor(nan)"},
        {(float[]){-INFINITY}, WK_f32, WK_SCALAR_SHAPE,
     "tensor(-inf)"},
        {(float[]){1e-07f}, WK_f32, WK_SCALAR_SHAPE,
     "tensor(1.0000e-07)"},
        {(float[]){12345678.0f}, WK_f32, WK_SCALAR_SHAPE,
     "tensor(12345678.)"},
        {(float[]){0.0f}, WK_f32, WK_SCALAR_SHAPE,
     "tensor(0.)"},
        {(float[]){0.1f, 0.0f}, WK_f32, WK_SHAPE(2),
     "tensor([0.1000, 0.0000])"},
        {(float[]){-0.5f, 0.25f}, WK_f32, WK_SHAPE(2, 1),
     "tensor([[-0.5000],\n"
     "        [ 0.2500]])"},
        {(float[]){0}, WK_f32, WK_SHAPE(0),
     "tensor([])"},
        {(float[]){0}, WK_f32, WK_SHAPE(2, 0),
     "tensor([], size=(2, 0))"},
        {(int64_t[]){-1, 20, 300}, WK_i64, WK_SHAPE(3),
     "tensor([ -1,  20, 300])"},
        {(int64_t[]){7}, WK_i64, WK_SCALAR_SHAPE,
     "tensor(7)"},
        {(int64_t[]){9007199254740993}, WK_i64, WK_SHAPE(1),
     "tensor([9007199254740993])"},
        {(int64_t[]){-9223372036854775807, 9223372036854775807}, WK_i64, WK_SHAPE(2),
     "tensor([-9223372036854775807,  9223372036854775807])"},
        {(int64_t[]){0}, WK_i64, WK_SHAPE(0),
     "tensor([], dtype=i64)"},
        {(int32_t[]){7, -8}, WK_i32, WK_SHAPE(2),
     "tensor([ 7, -8], dtype=i32)"},
        {(uint8_t[]){1, 255}, WK_u8, WK_SHAPE(2),
     "tensor([  1, 255], dtype=u8)"},
        {(double[]){1.5, 2.0}, WK_f64, WK_SHAPE(2),
     "tensor([1.5000, 2.0000], dtype=f64)"},
        {(bool[]){true, false}, WK_bool, WK_SHAPE(2),
     "tensor([ True, False])"},
        {(bool[]){true, true}, WK_bool, WK_SHAPE(2),
     "tensor([True, True])"},
        {(bool[]){false}, WK_bool, WK_SHAPE(1),
     "tensor([False])"},
        {(bool[]){true}, WK_bool, WK_SCALAR_SHAPE,
     "tensor(True)"},
    };
    wk_ctx *c = wk_ctx_new("cpu");
    char    text[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t n = wk_format(c, wk_make(c, rows[i].data, rows[i].t, rows[i].shape), text, sizeof text);
        cr_expect_str_eq(text, rows[i].text, "row %zu:\n%s\nnot\n%s", i, text, rows[i].text);
        cr_expect_eq(n, (int64_t)strlen(text), "row %zu", i);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(format, lines_and_cuts_are_pytorchs)
{
    const struct {
        int64_t     n;
        double      scale, from; /* values: from + i * scale */
        wk_dtype    t;
        wk_shape    shape;
        const char *text;
    } rows[] = {
        {30, 1.0, 0.0, WK_i64, WK_SHAPE(30),
     "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
     "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])"},
        {24, 1.0, 0.0, WK_f32, WK_SHAPE(2, 3, 4),
     "tensor([[[ 0.,  1.,  2.,  3.],\n"
     "         [ 4.,  5.,  6.,  7.],\n"
     "         [ 8.,  9., 10., 11.]],\n"
     "\n"
     "        [[12., 13., 14., 15.],\n"
     "         [16., 17., 18., 19.],\n"
     "         [20., 21., 22., 23.]]])"},
        {30, 0.5, 0.0, WK_f32, WK_SHAPE(30),
     "tensor([ 0.0000,  0.5000,  1.0000,  1.5000,  2.0000,  2.5000,  3.0000,  3.5000,\n"
     "         4.0000,  4.5000,  5.0000,  5.5000,  6.0000,  6.5000,  7.0000,  7.5000,\n"
     "         8.0000,  8.5000,  9.0000,  9.5000, 10.0000, 10.5000, 11.0000, 11.5000,\n"
     "        12.0000, 12.5000, 13.0000, 13.5000, 14.0000, 14.5000])"},
        {16, 1.0, 0.0, WK_f32, WK_SHAPE(2, 2, 2, 2),
     "tensor([[[[ 0.,  1.],\n"
     "          [ 2.,  3.]],\n"
     "\n"
     "         [[ 4.,  5.],\n"
     "          [ 6.,  7.]]],\n"
     "\n"
     "\n"
     "        [[[ 8.,  9.],\n"
     "          [10., 11.]],\n"
     "\n"
     "         [[12., 13.],\n"
     "          [14., 15.]]]])"},
        {30, 0.0, 1.0, WK_bool, WK_SHAPE(30),
     "tensor([True, True, True, True, True, True, True, True, True, True, True, True,\n"
     "        True, True, True, True, True, True, True, True, True, True, True, True,\n"
     "        True, True, True, True, True, True])"},
        {24, 0.25, 1.0, WK_f32, WK_SHAPE(2, 12),
     "tensor([[1.0000, 1.2500, 1.5000, 1.7500, 2.0000, 2.2500, 2.5000, 2.7500, 3.0000,\n"
     "         3.2500, 3.5000, 3.7500],\n"
     "        [4.0000, 4.2500, 4.5000, 4.7500, 5.0000, 5.2500, 5.5000, 5.7500, 6.0000,\n"
     "         6.2500, 6.5000, 6.7500]])"},
        {40, 0.25, 0.25, WK_f32, WK_SHAPE(2, 1, 20),
     "tensor([[[ 0.2500,  0.5000,  0.7500,  1.0000,  1.2500,  1.5000,  1.7500,\n"
     "           2.0000,  2.2500,  2.5000,  2.7500,  3.0000,  3.2500,  3.5000,\n"
     "           3.7500,  4.0000,  4.2500,  4.5000,  4.7500,  5.0000]],\n"
     "\n"
     "        [[ 5.2500,  5.5000,  5.7500,  6.0000,  6.2500,  6.5000,  6.7500,\n"
     "           7.0000,  7.2500,  7.5000,  7.7500,  8.0000,  8.2500,  8.5000,\n"
     "           8.7500,  9.0000,  9.2500,  9.5000,  9.7500, 10.0000]]])"},
        {1001, 1.0, 0.0, WK_f32, WK_SHAPE(1001),
     "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])"},
        {1200, 1.0, 0.0, WK_f32, WK_SHAPE(20, 60),
     "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 5.7000e+01, 5.8000e+01,\n"
     "         5.9000e+01],\n"
     "        [6.0000e+01, 6.1000e+01, 6.2000e+01,  ..., 1.1700e+02, 1.1800e+02,\n"
     "         1.1900e+02],\n"
     "        [1.2000e+02, 1.2100e+02, 1.2200e+02,  ..., 1.7700e+02, 1.7800e+02,\n"
     "         1.7900e+02],\n"
     "        ...,\n"
     "        [1.0200e+03, 1.0210e+03, 1.0220e+03,  ..., 1.0770e+03, 1.0780e+03,\n"
     "         1.0790e+03],\n"
     "        [1.0800e+03, 1.0810e+03, 1.0820e+03,  ..., 1.1370e+03, 1.1380e+03,\n"
     "         1.1390e+03],\n"
     "        [1.1400e+03, 1.1410e+03, 1.1420e+03,  ..., 1.1970e+03, 1.1980e+03,\n"
     "         1.1990e+03]])"},
        {1600, 0.5, -400.0, WK_f32, WK_SHAPE(8, 10, 20),
     "tensor([[[-400.0000, -399.5000, -399.0000,  ..., -391.5000, -391.0000,\n"
     "          -390.5000],\n"
     "         [-390.0000, -389.5000, -389.0000,  ..., -381.5000, -381.0000,\n"
     "          -380.5000],\n"
     "         [-380.0000, -379.5000, -379.0000,  ..., -371.5000, -371.0000,\n"
     "          -370.5000],\n"
     "         ...,\n"
     "         [-330.0000, -329.5000, -329.0000,  ..., -321.5000, -321.0000,\n"
     "          -320.5000],\n"
     "         [-320.0000, -319.5000, -319.0000,  ..., -311.5000, -311.0000,\n"
     "          -310.5000],\n"
     "         [-310.0000, -309.5000, -309.0000,  ..., -301.5000, -301.0000,\n"
     "          -300.5000]],\n"
     "\n"
     "        [[-300.0000, -299.5000, -299.0000,  ..., -291.5000, -291.0000,\n"
     "          -290.5000],\n"
     "         [-290.0000, -289.5000, -289.0000,  ..., -281.5000, -281.0000,\n"
     "          -280.5000],\n"
     "         [-280.0000, -279.5000, -279.0000,  ..., -271.5000, -271.0000,\n"
     "          -270.5000],\n"
     "         ...,\n"
     "         [-230.0000, -229.5000, -229.0000,  ..., -221.5000, -221.0000,\n"
     "          -220.5000],\n"
     "         [-220.0000, -219.5000, -219.0000,  ..., -211.5000, -211.0000,\n"
     "          -210.5000],\n"
     "         [-210.0000, -209.5000, -209.0000,  ..., -201.5000, -201.0000,\n"
     "          -200.5000]],\n"
     "\n"
     "        [[-200.0000, -199.5000, -199.0000,  ..., -191.5000, -191.0000,\n"
     "          -190.5000],\n"
     "         [-190.0000, -189.5000, -189.0000,  ..., -181.5000, -181.0000,\n"
     "          -180.5000],\n"
     "         [-180.0000, -179.5000, -179.0000,  ..., -171.5000, -171.0000,\n"
     "          -170.5000],\n"
     "         ...,\n"
     "         [-130.0000, -129.5000, -129.0000,  ..., -121.5000, -121.0000,\n"
     "          -120.5000],\n"
     "         [-120.0000, -119.5000, -119.0000,  ..., -111.5000, -111.0000,\n"
     "          -110.5000],\n"
     "         [-110.0000, -109.5000, -109.0000,  ..., -101.5000, -101.0000,\n"
     "          -100.5000]],\n"
     "\n"
     "        ...,\n"
     "\n"
     "        [[ 100.0000,  100.5000,  101.0000,  ...,  108.5000,  109.0000,\n"
     "           109.5000],\n"
     "         [ 110.0000,  110.5000,  111.0000,  ...,  118.5000,  119.0000,\n"
     "           119.5000],\n"
     "         [ 120.0000,  120.5000,  121.0000,  ...,  128.5000,  129.0000,\n"
     "           129.5000],\n"
     "         ...,\n"
     "         [ 170.0000,  170.5000,  171.0000,  ...,  178.5000,  179.0000,\n"
     "           179.5000],\n"
     "         [ 180.0000,  180.5000,  181.0000,  ...,  188.5000,  189.0000,\n"
     "           189.5000],\n"
     "         [ 190.0000,  190.5000,  191.0000,  ...,  198.5000,  199.0000,\n"
     "           199.5000]],\n"
     "\n"
     "        [[ 200.0000,  200.5000,  201.0000,  ...,  208.5000,  209.0000,\n"
     "           209.5000],\n"
     "         [ 210.0000,  210.5000,  211.0000,  ...,  218.5000,  219.0000,\n"
     "           219.5000],\n"
     "         [ 220.0000,  220.5000,  221.0000,  ...,  228.5000,  229.0000,\n"
     "           229.5000],\n"
     "         ...,\n"
     "         [ 270.0000,  270.5000,  271.0000,  ...,  278.5000,  279.0000,\n"
     "           279.5000],\n"
     "         [ 280.0000,  280.5000,  281.0000,  ...,  288.5000,  289.0000,\n"
     "           289.5000],\n"
     "         [ 290.0000,  290.5000,  291.0000,  ...,  298.5000,  299.0000,\n"
     "           299.5000]],\n"
     "\n"
     "        [[ 300.0000,  300.5000,  301.0000,  ...,  308.5000,  309.0000,\n"
     "           309.5000],\n"
     "         [ 310.0000,  310.5000,  311.0000,  ...,  318.5000,  319.0000,\n"
     "           319.5000],\n"
     "         [ 320.0000,  320.5000,  321.0000,  ...,  328.5000,  329.0000,\n"
     "           329.5000],\n"
     "         ...,\n"
     "         [ 370.0000,  370.5000,  371.0000,  ...,  378.5000,  379.0000,\n"
     "           379.5000],\n"
     "         [ 380.0000,  380.5000,  381.0000,  ...,  388.5000,  389.0000,\n"
     "           389.5000],\n"
     "         [ 390.0000,  390.5000,  391.0000,  ...,  398.5000,  399.0000,\n"
     "           399.5000]]])"},
        {1024, 1.0, 0.0, WK_i64, WK_SHAPE(512, 2),
     "tensor([[   0,    1],\n"
     "        [   2,    3],\n"
     "        [   4,    5],\n"
     "        ...,\n"
     "        [1018, 1019],\n"
     "        [1020, 1021],\n"
     "        [1022, 1023]])"},
        {1024, 1.0, 0.0, WK_i64, WK_SHAPE(2, 512),
     "tensor([[   0,    1,    2,  ...,  509,  510,  511],\n"
     "        [ 512,  513,  514,  ..., 1021, 1022, 1023]])"},
        {3, 0.5, 0.0, WK_f16, WK_SHAPE(3),
     "tensor([0.0000, 0.5000, 1.0000], dtype=f16)"},
        {3, 0.5, 0.0, WK_bf16, WK_SHAPE(1, 3),
     "tensor([[0.0000, 0.5000, 1.0000]], dtype=bf16)"},
        {27, 0.125, 0.0, WK_f32, WK_SHAPE(3, 9),
     "tensor([[0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750, 1.0000],\n"
     "        [1.1250, 1.2500, 1.3750, 1.5000, 1.6250, 1.7500, 1.8750, 2.0000, 2.1250],\n"
     "        [2.2500, 2.3750, 2.5000, 2.6250, 2.7500, 2.8750, 3.0000, 3.1250, 3.2500]])"},
    };
    wk_ctx *c = wk_ctx_new("cpu");
    char    text[8192];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_tensor x = wk_arange(c, 0, (double)rows[i].n, 1, WK_f64);
        x = wk_add(c, wk_mul(c, x, wk_scalar(c, rows[i].scale)), wk_scalar(c, rows[i].from));
        wk_format(c, wk_reshape(c, wk_cast(c, x, rows[i].t), rows[i].shape), text, sizeof text);
        cr_expect_str_eq(text, rows[i].text, "row %zu:\n%s\nnot\n%s", i, text, rows[i].text);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}
/* clang-format on */

/* Random tensors of every dtype with random options, as PyTorch printed them (tests/golden/format.py). */
Test(format, options_are_pytorchs)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_files     *f = wk_files_open(c, WK_SOURCE_DIR "/tests/golden/format.safetensors");
    static char   text[1 << 14];
    const int64_t n = wk_files_count(f);
    cr_assert(n >= 100, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < n; i++) {
        char          key[40];
        int           sci, skip = 0;
        long long     threshold;
        wk_print_opts o;
        snprintf(key, sizeof key, "__metadata__.%lld", (long long)i);
        const char *want = wk_config_string(f, key, "");
        cr_assert_eq(sscanf(want, "%d %d %d %d %lld%n", &o.precision, &o.edge_items, &o.line_width, &sci,
                            &threshold, &skip),
                     5);
        o.scientific = (wk_scientific)sci;
        o.threshold = threshold;
        wk_format_with(c, wk_files_tensor(c, f, key + strlen("__metadata__.")), o, text, sizeof text);
        cr_expect_str_eq(text, want + skip + 1, "%s:\n%s\nnot\n%s", key, text, want + skip + 1);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_print_opts o = WK_PRINT_OPTS;
    o.precision = 99;
    cr_assert(wk_format_with(c, wk_scalar(c, 1), o, text, sizeof text) == 0 && wk_ctx_status(c) == WK_EARG);
    wk_files_close(f);
    wk_ctx_free(c);
}
