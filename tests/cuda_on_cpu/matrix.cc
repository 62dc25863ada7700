/* The matrix units of a warp, as the instruction set describes their layouts (PTX ISA, "matrix fragments for
 * mma.m16n8k16" and "ldmatrix"): every lane's part is gathered, multiplied as plain matrices, and given
 * back. */
#include "cuda/kernel.cuh"

namespace
{

struct product {
    float          *c;
    const uint32_t *a;
    uint32_t        b[2];
    bool            bf16;
};

float half_of(uint32_t word, int high, bool is_bf16)
{
    const uint16_t bits = (uint16_t)(high ? word >> 16 : word);
    if (is_bf16) return widened(bf16{bits});
    return widened(f16{bits});
}

void multiply(void *const *lane)
{
    float a[16][16], b[16][8];
    for (int l = 0; l < 32; l++) {
        const product *p = (const product *)lane[l];
        const int      g = l / 4, t = l % 4;
        for (int e = 0; e < 8; e++) /* register e / 2: rows + 8 in the odd ones, columns + 8 from 2 on */
            a[g + (e / 2 % 2) * 8][2 * t + e % 2 + (e / 4) * 8] = half_of(p->a[e / 2], e % 2, p->bf16);
        for (int e = 0; e < 4; e++) b[2 * t + e % 2 + (e / 2) * 8][g] = half_of(p->b[e / 2], e % 2, p->bf16);
    }
    for (int l = 0; l < 32; l++)
        for (int e = 0; e < 4; e++) {
            const int row = l / 4 + (e / 2) * 8, col = 2 * (l % 4) + e % 2;
            float    *c = ((const product *)lane[l])->c + e, sum = 0.0f;
            for (int k = 0; k < 16; k++) sum += a[row][k] * b[k][col];
            *c += sum;
        }
}

struct matrices {
    uint32_t   *r;
    const char *row;
};

void load(void *const *lane, bool turned)
{
    uint16_t x[4][8][8];
    for (int l = 0; l < 32; l++) memcpy(x[l / 8][l % 8], ((const matrices *)lane[l])->row, 16);
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) {
            const int      g = l / 4, t = 2 * (l % 4);
            const uint32_t low = turned ? x[i][t][g] : x[i][g][t],
                           high = turned ? x[i][t + 1][g] : x[i][g][t + 1];
            ((const matrices *)lane[l])->r[i] = low | high << 16;
        }
}
void load_straight(void *const *lane)
{
    load(lane, false);
}
void load_turned(void *const *lane)
{
    load(lane, true);
}

} // namespace

void shim_multiply(float *c, const uint32_t *a, uint32_t b0, uint32_t b1, bool is_bf16, const char *file,
                   int line)
{
    product p = {c, a, {b0, b1}, is_bf16};
    shim_warp_call(multiply, &p, file, line);
}

void shim_load_matrices(uint32_t *r, const void *row, bool turned, const char *file, int line)
{
    if ((uintptr_t)row % 16) shim_fault("a matrix row that is not a multiple of 16 bytes", file, line);
    matrices m = {r, (const char *)row};
    shim_warp_call(turned ? load_turned : load_straight, &m, file, line);
}
