/* Block formats between f32 and their codes. */
#include "cuda/kernel.cuh"

wk_status wki_cuda_recode(const wk_call *)
{
    return WK_EDTYPE;
}
wk_status wki_cuda_embed_blocks(const wk_call *)
{
    return WK_EDTYPE;
}
