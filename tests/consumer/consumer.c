/* A program outside the tree that uses the installed library. */
#include <wick/core/wick.h>
#include <wick/nn/nn.h>
#include <wick/nn/text/text.h>

#include <stdio.h>

int main(void)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x = wk_make(c, (float[]){1, 2, 3, 4, 5, 6}, WK_f32, WK_SHAPE(2, 3));
    wk_tensor w = wk_make(c, (float[]){1, 0, 0, 0, 1, 0}, WK_f32, WK_SHAPE(2, 3));
    float     y[4] = {0};
    if (wk_read(c, wk_affine(c, x, w, WK_NONE), y)) fprintf(stderr, "%s\n", wk_ctx_message(c));
    wk_files *none = wk_files_open(c, "/nonexistent");
    wk_ctx_clear(c);
    wk_tokenizer_free(NULL);
    wk_ctx_free(c);
    printf("%g %g %g %g\n", (double)y[0], (double)y[1], (double)y[2], (double)y[3]);
    return none || y[0] != 1 || y[1] != 2 || y[2] != 4 || y[3] != 5;
}
