/* Random numbers: value i comes from block counter + i / per, whoever computes it. */
#include "core/random.h"
#include "cpu/kernel.h"

struct draw {
    const wk_call *k;
    uint64_t       seed, counter;
};

static double unit53(uint32_t a, uint32_t b)
{
    return (double)((((uint64_t)a << 32) | b) >> 11) * 0x1p-53;
}

/* Four f32 values from a block, or two f64 ones. Box-Muller for normal ones: a radius from (0, 1]. */
static void block_f32(enum wki_random kind, const uint32_t x[4], const double *f, float v[4])
{
    const float a = (float)f[0], b = (float)f[1];
    for (int i = 0; i < 4; i += 2) {
        if (kind == WKI_UNIFORM) {
            for (int j = i; j < i + 2; j++) {
                const float u = (float)(x[j] >> 8) * 0x1p-24f;
                const float y = a + b * u;
                v[j] = y < a + b || b == 0 ? y : a; /* rounding must not reach the open end */
            }
        } else {
            const double r = sqrt(-2.0 * log(((double)x[i] + 1.0) * 0x1p-32));
            const double turn = 6.283185307179586 * ((double)x[i + 1] * 0x1p-32);
            v[i] = a + b * (float)(r * cos(turn));
            v[i + 1] = a + b * (float)(r * sin(turn));
        }
    }
}

static void block_f64(enum wki_random kind, const uint32_t x[4], const double *f, double v[2])
{
    if (kind == WKI_UNIFORM) {
        for (int i = 0; i < 2; i++) {
            const double y = f[0] + f[1] * unit53(x[2 * i], x[2 * i + 1]);
            v[i] = y < f[0] + f[1] || f[1] == 0 ? y : f[0];
        }
        return;
    }
    const double r = sqrt(-2.0 * log(1.0 - unit53(x[0], x[1]))),
                 turn = 6.283185307179586 * unit53(x[2], x[3]);
    v[0] = f[0] + f[1] * r * cos(turn);
    v[1] = f[0] + f[1] * r * sin(turn);
}

static void block_i64(const uint32_t x[4], int64_t low, uint64_t range, int64_t v[2])
{
    for (int i = 0; i < 2; i++) {
        const uint64_t wide = ((uint64_t)x[2 * i] << 32) | x[2 * i + 1];
        v[i] = low + (int64_t)(uint64_t)(((unsigned __int128)wide * range) >> 64);
    }
}

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct draw    *d = arg;
    const wk_call        *k = d->k;
    const wk_tensor       y = k->out[0];
    const enum wki_random kind = (enum wki_random)k->attr.i[0];
    const int64_t         per = kind != WKI_INTEGER && k->cls == WK_CLASS_F32 ? 4 : 2;
    (void)worker;
    for (int64_t at = first / per * per; at < last; at += per) {
        uint32_t x[4];
        wki_philox(d->seed, d->counter + (uint64_t)(at / per), 0, x);
        const int64_t n = last - at < per ? last - at : per;
        if (kind == WKI_INTEGER) {
            int64_t v[2];
            block_i64(x, k->attr.i[3], (uint64_t)k->attr.i[4], v);
            CPU(from_i64)[y->dtype](v, address(y, at), n);
        } else if (k->cls == WK_CLASS_F64) {
            double v[2];
            block_f64(kind, x, k->attr.f, v);
            CPU(from_f64)[y->dtype](v, address(y, at), n);
        } else {
            float v[4];
            block_f32(kind, x, k->attr.f, v);
            CPU(from_f32)[y->dtype](v, address(y, at), n);
        }
    }
}

wk_status CPU(random)(const wk_call *k)
{
    struct draw d = {.k = k, .seed = (uint64_t)k->attr.i[1], .counter = (uint64_t)k->attr.i[2]};
    wki_parallel(k->device, wk_count(k->out[0]), 4096, piece, &d);
    return WK_OK;
}
