/* cuFFT on the host: the functions that cuda/cufft.h names, by the sum that defines a transform, in double.
 * Strict: the caller's work area is wanted and written all over, the half spectrum is destroyed. */
#include "cuda/cufft.h"
#include "tests/cuda_on_cpu/stand_in.h"

#include <map>
#include <vector>

namespace
{

struct fft_plan {
    bool         own_area, made;
    long long    n, in_step, in_next, out_step, out_next, batch;
    int          type;
    size_t       bytes;
    cudaStream_t stream;
    void        *area;
};
std::map<int, fft_plan> plans;
int                     given;

bool is_double(int type)
{
    return type == FFT_Z2Z || type == FFT_D2Z || type == FFT_Z2D;
}
double get(const void *p, bool wide, long long i)
{
    return wide ? ((const double *)p)[i] : (double)((const float *)p)[i];
}
void put(void *p, bool wide, long long i, double v)
{
    if (wide)
        ((double *)p)[i] = v;
    else
        ((float *)p)[i] = (float)v;
}

/* One line, in full complex values. */
void line(const std::vector<double> &x, std::vector<double> &y, long long n, int way)
{
    for (long long k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (long long j = 0; j < n; j++) {
            const double a = way * 6.283185307179586476925 * (double)(k * j % n) / (double)n;
            re += x[2 * j] * cos(a) - x[2 * j + 1] * sin(a);
            im += x[2 * j] * sin(a) + x[2 * j + 1] * cos(a);
        }
        y[2 * k] = re;
        y[2 * k + 1] = im;
    }
}

void transform_all(const fft_plan &p, void *in, void *out, int way)
{
    const bool wide = is_double(p.type), from_real = p.type == FFT_R2C || p.type == FFT_D2Z,
               to_real = p.type == FFT_C2R || p.type == FFT_Z2D;
    const long long     half = p.n / 2 + 1;
    std::vector<double> x(2 * p.n), y(2 * p.n);
    if (p.bytes) memset(p.area, 0xff, p.bytes);
    for (long long b = 0; b < p.batch; b++) {
        for (long long i = 0; i < p.n; i++) {
            const bool      mirror = to_real && i >= half;
            const long long at = b * p.in_next + (mirror ? p.n - i : i) * p.in_step;
            x[2 * i] = get(in, wide, from_real ? at : 2 * at);
            x[2 * i + 1] = from_real ? 0 : (mirror ? -1 : 1) * get(in, wide, 2 * at + 1);
        }
        line(x, y, p.n, way);
        for (long long i = 0; i < (from_real ? half : p.n); i++) {
            const long long at = b * p.out_next + i * p.out_step;
            put(out, wide, to_real ? at : 2 * at, y[2 * i]);
            if (!to_real) put(out, wide, 2 * at + 1, y[2 * i + 1]);
        }
        for (long long i = 0; to_real && i < half; i++)
            put(in, wide, 2 * (b * p.in_next + i * p.in_step), (double)NAN);
    }
}

int execute(int handle, int type, void *x, void *y, int way)
{
    const auto found = plans.find(handle);
    if (found == plans.end() || !found->second.made || found->second.type != type) return 1;
    const fft_plan  p = found->second;
    const uintptr_t whole = is_double(type) ? 16 : 8;
    if (!p.stream || (p.bytes && !p.area)) return 13;
    if ((uintptr_t)x % whole || (uintptr_t)y % whole || (uintptr_t)p.area % 16) return 9;
    const auto step = [=] {
        transform_all(p, x, y, way);
        return cudaSuccess;
    };
    return shim_submit(p.stream, step) == cudaSuccess ? 0 : 6;
}

} // namespace

EXPORTED int cufftCreate(int *plan)
{
    *plan = ++given;
    plans[*plan] = fft_plan();
    plans[*plan].own_area = true;
    return 0;
}
EXPORTED int cufftDestroy(int plan)
{
    return plans.erase(plan) == 1 ? 0 : 1;
}
EXPORTED int cufftSetAutoAllocation(int plan, int automatic)
{
    plans[plan].own_area = automatic != 0;
    return 0;
}
EXPORTED int cufftSetStream(int plan, void *stream)
{
    plans[plan].stream = (cudaStream_t)stream;
    return 0;
}
EXPORTED int cufftSetWorkArea(int plan, void *area)
{
    plans[plan].area = area;
    return 0;
}
EXPORTED int cufftMakePlanMany64(int plan, int rank, long long *n, long long *in_dims, long long in_step,
                                 long long in_next, long long *out_dims, long long out_step,
                                 long long out_next, int type, long long batch, size_t *bytes)
{
    fft_plan &p = plans[plan];
    if (p.own_area || p.made || rank != 1 || !in_dims || !out_dims || in_step < 1 || out_step < 1 ||
        batch < 1)
        return 4;
    if (!shim_allocates()) return 2;
    p.made = true;
    p.n = *n;
    p.in_step = in_step;
    p.in_next = in_next;
    p.out_step = out_step;
    p.out_next = out_next;
    p.batch = batch;
    p.type = type;
    p.bytes = *n > 16 ? (size_t)(*n * batch * 16) : 0; /* short ones need none */
    *bytes = p.bytes;
    return 0;
}
EXPORTED int cufftExecC2C(int plan, void *x, void *y, int direction)
{
    return execute(plan, FFT_C2C, x, y, direction);
}
EXPORTED int cufftExecZ2Z(int plan, void *x, void *y, int direction)
{
    return execute(plan, FFT_Z2Z, x, y, direction);
}
EXPORTED int cufftExecR2C(int plan, void *x, void *y)
{
    return execute(plan, FFT_R2C, x, y, FFT_FORWARD);
}
EXPORTED int cufftExecD2Z(int plan, void *x, void *y)
{
    return execute(plan, FFT_D2Z, x, y, FFT_FORWARD);
}
EXPORTED int cufftExecC2R(int plan, void *x, void *y)
{
    return execute(plan, FFT_C2R, x, y, FFT_INVERSE);
}
EXPORTED int cufftExecZ2D(int plan, void *x, void *y)
{
    return execute(plan, FFT_Z2D, x, y, FFT_INVERSE);
}
